"""Images and label maps: an array together with its grid."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart.errors import GeometryError
from medheart.geometry import Geometry
from medheart.schema import LabelSchema

__all__ = ["LabelMap", "Volume"]

_MAX_VALUE = 65535  # of a label in a schema


def _digest(array: NDArray[Any], geometry: Geometry) -> str:
    canonical = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{canonical.dtype.str}|{geometry.digest}|".encode())
    digest.update(canonical.data)
    return digest.hexdigest()


def _check(array: NDArray[Any], geometry: Geometry) -> None:
    if array.shape != geometry.shape:
        raise GeometryError(f"array has shape {array.shape}, its grid {geometry.shape} (K, J, I)")


@dataclass(frozen=True, eq=False)
class Volume:
    """A scalar image.

    Parameters
    ----------
    array : numpy.ndarray
        (K, J, I), integer or float, in stored units (HU for CT).
    geometry : Geometry
        Grid of the array.
    modality : str
        DICOM modality (`CT`, `MR`, `PT`, …), empty where not known.
    meta : dict
        Facts for task selection and reports, JSON-serialisable and free of identity:
        `body_part`, `series_description`, `sequence`, `slice_thickness_mm`, `kernel`,
        `window` ([center, width]), `warnings` (list of str), `provenance`.
    """

    array: NDArray[Any]
    geometry: Geometry
    modality: str = ""
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self.array, self.geometry)

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 over dtype, grid and voxels."""
        return _digest(self.array, self.geometry)

    def restated(self, *, modality: str, meta: dict[str, Any]) -> Volume:
        """Return the same voxels on the same grid with other facts; a digest that is known stays known."""
        other = replace(self, modality=modality, meta=meta)
        if "digest" in self.__dict__:
            other.__dict__["digest"] = self.digest
        return other


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A label map.

    Parameters
    ----------
    array : numpy.ndarray
        (K, J, I), unsigned integer; 0 is background.
    geometry : Geometry
        Grid of the array.
    schema : LabelSchema
        Meaning of the values; every value present must be in it.

    Raises
    ------
    SchemaError
        If a value is not in the schema.
    GeometryError
        If array and grid differ in shape, or the array is not of an unsigned integer type.
    """

    array: NDArray[Any]
    geometry: Geometry
    schema: LabelSchema

    def __post_init__(self) -> None:
        _check(self.array, self.geometry)
        if self.array.dtype.kind != "u":
            raise GeometryError(f"a label map needs an unsigned integer array, got {self.array.dtype}")
        self.schema.check_values(self.counts)

    @cached_property
    def counts(self) -> dict[int, int]:
        """Voxels per value that is present, background excluded."""
        top = int(self.array.max())
        if top > _MAX_VALUE:
            values, numbers = np.unique(self.array, return_counts=True)
            return {int(v): int(n) for v, n in zip(values, numbers, strict=True) if v != 0}
        # Slice by slice: bincount works on a copy in 64 bits.
        histogram = np.sum([np.bincount(part.reshape(-1), minlength=top + 1) for part in self.array], axis=0)
        return {int(v): int(histogram[v]) for v in np.flatnonzero(histogram) if v != 0}

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 over dtype, grid and voxels."""
        return _digest(self.array, self.geometry)

    def with_array(self, array: NDArray[Any]) -> LabelMap:
        """Return a label map of the same grid and schema with another array (K, J, I)."""
        return replace(self, array=array)

    def mask(self, value: int) -> NDArray[np.bool_]:
        """Return the boolean mask (K, J, I) of one label of the schema."""
        return np.asarray(self.array == self.schema.by_value(value).value)
