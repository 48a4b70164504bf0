"""From the label file of a stock client to a label map of our schema.

3D Slicer's export numbers segments 1, 2, 3 … in the order in which they stand in the segmentation,
whatever value they had, and the stock plug-in sends `label_info`, a list of `{"name", "idx"}`. It
counts segments that it leaves out, so that `idx` may be wrong. Hence:

* names are matched to the schema; a name that the schema lacks is refused;
* where every `idx` is the schema's value, values stay as they are;
* where the `idx` are 1..M, each value becomes the schema's value of its name;
* anything else is ambiguous and refused, and so is a value in the file that `label_info` does not list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart.errors import SchemaError
from medheart.geometry import Geometry
from medheart.schema import LabelSchema
from medheart.volume import LabelMap

__all__ = ["parse_label_info", "read_submission", "value_table"]


def parse_label_info(items: Any) -> dict[int, str]:
    """Return file value to label name out of a client's `label_info`; raises SchemaError if it is not one."""
    if items in (None, [], {}):
        return {}
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise SchemaError(f'label_info must be a list of {{"name", "idx"}}, got {type(items).__name__}')
    table: dict[int, str] = {}
    for item in items:
        name, value = (item.get("name"), item.get("idx")) if isinstance(item, Mapping) else (None, None)
        if not isinstance(name, str) or not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= 65535:
            raise SchemaError(f'each entry of label_info needs a "name" and an "idx" of 1 to 65535, got {item!r}')
        if value in table or name in table.values():
            raise SchemaError(f"label_info names {name!r} or value {value} twice")
        table[value] = name
    return table


def value_table(info: Mapping[int, str], schema: LabelSchema) -> dict[int, int]:
    """Return file value to schema value.

    Parameters
    ----------
    info : mapping of int to str
        From `parse_label_info`, not empty.
    schema : LabelSchema
        What the labels must be called.

    Raises
    ------
    SchemaError
        If a name is not in the schema, or the values are neither the schema's nor 1..M; names them.
    """
    ours = {label.name: label.value for label in schema.labels}
    unknown = sorted(set(info.values()) - set(ours))
    if unknown:
        text = f"labels {unknown} are not in schema {schema.id!r}, which has {list(ours)}"
        raise SchemaError(text, unknown=unknown, names=list(ours))
    table = {value: ours[name] for value, name in info.items()}
    if all(value == wanted for value, wanted in table.items()) or sorted(info) == list(range(1, len(info) + 1)):
        return table
    differing = {info[value]: {"file": value, "schema": wanted} for value, wanted in table.items() if value != wanted}
    raise SchemaError(
        f"values of label_info are neither those of schema {schema.id!r} nor 1 to {len(info)}: {differing}",
        differing=differing,
    )


def read_submission(path: Path, schema: LabelSchema, info: Mapping[int, str], *, like: Geometry) -> LabelMap:
    """Read the label file of a client.

    Parameters
    ----------
    path : pathlib.Path
        Any format that `medheart_io.read_labels` reads.
    schema : LabelSchema
        Schema of the result.
    info : mapping of int to str
        From `parse_label_info`; a file that names its segments itself (`.seg.nrrd`, DICOM SEG) is taken by
        its own names.
    like : Geometry
        Grid of the image.

    Returns
    -------
    LabelMap
        (K, J, I) on the image's grid.

    Raises
    ------
    ImageRejected, GeometryError, SchemaError
        If the file is no label map, not of this image, or its values are not those of the schema.
    """
    from medheart_io import read_labels

    if not info or _names_its_segments(path):
        return read_labels(path, schema, like=like)
    table = value_table(info, schema)
    numbered = tuple(replace(schema.by_name(name), value=value) for value, name in info.items())
    # The reader refuses values that `label_info` does not list.
    as_sent = read_labels(path, LabelSchema(schema.id, schema.version, numbered), like=like)
    return LabelMap(_renumbered(as_sent.array, table), as_sent.geometry, schema)


def _names_its_segments(path: Path) -> bool:
    from medheart_io.sniff import sniff

    kind = sniff(path)
    if kind == "nrrd":
        with path.open("rb") as stream:
            # The header of a NRRD file ends with an empty line.
            head = stream.read(1 << 20).split(b"\n\n", 1)[0]
        return b"\nSegment0_" in head
    return kind == "dicom"


def _renumbered(array: NDArray[Any], table: Mapping[int, int]) -> NDArray[Any]:
    lookup = np.zeros(max(int(array.max(initial=0)), *table) + 1, np.uint16)
    for value, wanted in table.items():
        lookup[value] = wanted
    renumbered: NDArray[Any] = lookup[array]
    return renumbered
