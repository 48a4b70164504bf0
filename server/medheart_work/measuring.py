"""Measurements of stored versions and of label files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from medheart.errors import SchemaError
from medheart.records import Document
from medheart.schema import Code, LabelClass, LabelSchema, load_schema, schema_ids
from medheart.volume import LabelMap, Volume
from medheart_io import read_image, read_labels
from medheart_measure import MeasurementTable, measure
from medheart_models.tasks.research import research_notice
from medheart_store import Store
from medheart_work.colors import color_of

__all__ = ["MEASUREMENTS", "measure_file", "measure_version", "measured", "read_label_file"]

MEASUREMENTS = "measurements"
"""Kind of the store's documents that hold measurements."""


def measure_version(store: Store, version_id: str) -> MeasurementTable:
    """Measure a label version on its image, and keep the result as a document of the version.

    Where the labels are for research only, the document says so in its `notice`.
    """
    version = store.version(version_id)
    table = measure(store.labels(version_id), store.volume(version.image), source=version_id)
    notice = research_notice(store.lineage(version_id))
    said = {**table.to_dict(), "notice": notice} if notice else table.to_dict()
    data = json.dumps(said, ensure_ascii=False, indent=1).encode()
    if not any(store.document_data(one.id) == data for one in store.documents(version_id, kind=MEASUREMENTS)):
        store.add_document(version_id, MEASUREMENTS, "application/json", data)
    return table


def measured(store: Store, version_id: str) -> Document | None:
    """Return the newest measurements of a version, None where it was not measured yet."""
    found = store.documents(version_id, kind=MEASUREMENTS)
    return found[-1] if found else None


def measure_file(label: Path, image: Path | None = None, *, schema_id: str | None = None) -> MeasurementTable:
    """Measure a label file.

    Parameters
    ----------
    label : pathlib.Path
        NIfTI, NRRD, `.seg.nrrd`, MetaImage or DICOM SEG.
    image : pathlib.Path, optional
        Its image, for statistics of the intensities; must have the same grid.
    schema_id : str, optional
        What the values mean; see `read_label_file`.
    """
    volume = read_image(image) if image else None
    return measure(read_label_file(label, schema_id, like=volume), volume)


def read_label_file(path: Path, schema_id: str | None = None, *, like: Volume | None = None) -> LabelMap:
    """Read a label file with a schema.

    Without `schema_id`, a file that names its segments (`.seg.nrrd`, DICOM SEG) is read with the
    shipped schema that has them; of other files each value becomes a label named `label_<value>`.

    Raises
    ------
    ImageRejected, GeometryError
        If the file cannot be used, or not with this image.
    SchemaError
        If the values are not those of the schema, or no schema has the named segments.
    """
    grid = like.geometry if like else None
    if schema_id is not None:
        return read_labels(path, load_schema(schema_id), like=grid)
    if path.name.endswith((".seg.nrrd", ".dcm")):
        return _by_names(path, like)
    values = np.unique(read_image(path).array)
    wanted = [int(value) for value in values if value > 0]
    return read_labels(path, _unnamed(wanted), like=grid)


def _by_names(path: Path, like: Volume | None) -> LabelMap:
    for schema_id in schema_ids():
        try:
            return read_labels(path, load_schema(schema_id), like=like.geometry if like else None)
        except SchemaError:
            continue
    raise SchemaError(f"{path}: its segments are those of no schema; there are {schema_ids()}", schemas=schema_ids())


def _unnamed(values: list[int]) -> LabelSchema:
    category, kind = Code("SCT", "123037004", "Anatomical Structure"), Code("SCT", "85756007", "Tissue")
    labels = (
        LabelClass(
            value, f"label_{value}", {"en": f"Label {value}", "zh": f"标签 {value}"}, category, kind, color_of(place)
        )
        for place, value in enumerate(values)
    )
    return LabelSchema("unnamed", "1", tuple(labels))
