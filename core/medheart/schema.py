"""Label schemas: what each value of a label map means, with codes and colours.

Schemas are data: one JSON file each in `medheart/data/schemas/<id>.json`. Values need not be 1..N.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from medheart.errors import NotFound, SchemaError

__all__ = ["Code", "LabelClass", "LabelSchema", "load_schema", "schema_ids"]


@dataclass(frozen=True)
class Code:
    """A coded concept: `scheme` (e.g. SCT), `value`, `meaning` as DICOM writes them."""

    scheme: str
    value: str
    meaning: str

    @classmethod
    def from_list(cls, parts: Iterable[str]) -> Code:
        """Build from `[scheme, value, meaning]`."""
        return cls(*parts)

    def to_list(self) -> list[str]:
        """Return `[scheme, value, meaning]`."""
        return [self.scheme, self.value, self.meaning]


@dataclass(frozen=True)
class LabelClass:
    """One label.

    Parameters
    ----------
    value : int
        Voxel value, 1..65535; 0 is background and never listed.
    name : str
        Stable ASCII key, as in files and on the wire, e.g. `lung_nodule`.
    names : dict of str to str
        What people read, by language (`en`, `zh`).
    category, type : Code
        DICOM segmented property category and type.
    color : tuple of int
        RGB, 0..255.
    region, modifier : Code, optional
        Anatomic region, and type modifier (laterality).
    """

    value: int
    name: str
    names: dict[str, str]
    category: Code
    type: Code
    color: tuple[int, int, int]
    region: Code | None = None
    modifier: Code | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.value <= 65535:
            raise SchemaError(f"label value must be 1..65535, got {self.value} for {self.name!r}")
        if not self.name.isascii() or not self.name.replace("_", "").replace("-", "").isalnum():
            raise SchemaError(f"label name must be ASCII letters, digits, _ or -, got {self.name!r}")

    def display_name(self, language: str = "en") -> str:
        """Return the name in `language`, else in English, else the key."""
        return self.names.get(language) or self.names.get("en") or self.name


@dataclass(frozen=True)
class LabelSchema:
    """A named, versioned set of labels.

    Parameters
    ----------
    id : str
        Schema id, e.g. `hippocampus`.
    version : str
        Version of the schema's content.
    labels : tuple of LabelClass
        Unique values and names.
    """

    id: str
    version: str
    labels: tuple[LabelClass, ...]

    def __post_init__(self) -> None:
        for field in ("value", "name"):
            seen = [getattr(label, field) for label in self.labels]
            if len(set(seen)) != len(seen):
                raise SchemaError(f"schema {self.id!r} has a {field} twice: {seen}")

    @property
    def values(self) -> tuple[int, ...]:
        """Label values in the schema's order."""
        return tuple(label.value for label in self.labels)

    def by_value(self, value: int) -> LabelClass:
        """Return the label with this value; raises SchemaError naming the values there are."""
        for label in self.labels:
            if label.value == value:
                return label
        raise SchemaError(
            f"schema {self.id!r} has no label {value}; it has {list(self.values)}", values=list(self.values)
        )

    def by_name(self, name: str) -> LabelClass:
        """Return the label with this key; raises SchemaError naming the keys there are."""
        for label in self.labels:
            if label.name == name:
                return label
        names = [label.name for label in self.labels]
        raise SchemaError(f"schema {self.id!r} has no label {name!r}; it has {names}", names=names)

    def check_values(self, values: Iterable[int]) -> None:
        """Raise SchemaError if `values` (without 0) holds one that is not in the schema."""
        unknown = sorted({int(v) for v in values} - set(self.values) - {0})
        if unknown:
            raise SchemaError(
                f"label values {unknown} are not in schema {self.id!r}, which has {list(self.values)}",
                unknown=unknown,
                values=list(self.values),
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form that `from_dict` reads."""
        return {"id": self.id, "version": self.version, "labels": [_label_to_dict(label) for label in self.labels]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LabelSchema:
        """Read the JSON form."""
        return cls(data["id"], data["version"], tuple(_label_from_dict(item) for item in data["labels"]))


def _label_to_dict(label: LabelClass) -> dict[str, Any]:
    data: dict[str, Any] = {"value": label.value, "name": label.name, "names": label.names, "color": list(label.color)}
    for key in ("category", "type", "region", "modifier"):
        code = getattr(label, key)
        if code is not None:
            data[key] = code.to_list()
    return data


def _label_from_dict(item: dict[str, Any]) -> LabelClass:
    codes = {key: Code.from_list(item[key]) for key in ("category", "type", "region", "modifier") if key in item}
    return LabelClass(value=item["value"], name=item["name"], names=item["names"], color=tuple(item["color"]), **codes)


def schema_ids() -> list[str]:
    """Return the ids of the schemas that ship with MedHeart, sorted."""
    folder = resources.files("medheart") / "data" / "schemas"
    return sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))


@cache
def load_schema(schema_id: str) -> LabelSchema:
    """Return a schema that ships with MedHeart; raises NotFound naming those there are."""
    if schema_id not in schema_ids():
        raise NotFound(f"no label schema {schema_id!r}; there are {schema_ids()}")
    text = (resources.files("medheart") / "data" / "schemas" / f"{schema_id}.json").read_text(encoding="utf-8")
    return LabelSchema.from_dict(json.loads(text))
