"""What the readers share: a planned file, choosing one volume of several, real values, scaling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medheart import __version__
from medheart.errors import ImageRejected, NeedsChoice
from medheart.geometry import Geometry
from medheart.schema import LabelSchema
from medheart.volume import Volume
from medheart_io.boundary import reject, rejecting
from medheart_io.checks import grid

__all__ = [
    "FilePlan",
    "as_label_array",
    "ask_complex",
    "grid_or_choice",
    "label_dtype",
    "narrow",
    "pick_frame",
    "provenance",
    "real",
    "rescale",
]

_LISTED = 12


@dataclass(frozen=True)
class FilePlan:
    """A file whose header was checked and whose voxels were not read yet.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    geometry : Geometry
        Grid of the volume.
    read : callable
        Returns the voxels (K, J, I).
    warnings : tuple of str
        Codes.
    facts : dict
        For the provenance: format, number of files and frames.
    """

    path: Path
    geometry: Geometry
    read: Callable[[], NDArray[Any]]
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def volume(self) -> Volume:
        """Read the voxels; whatever fails becomes `ImageRejected`."""
        with rejecting(self.path):
            meta = {"warnings": list(self.warnings), "provenance": provenance(self.facts)}
            return Volume(self.read(), self.geometry, meta=meta)


def pick_frame(frames: int, choices: frozenset[str], path: Path) -> int:
    """Return the index of the one volume to take out of `frames`; asks where there are several.

    Raises
    ------
    NeedsChoice
        `several_volumes`, with the choices `frame-0`, `frame-1`, …
    """
    if frames == 1:
        return 0
    for choice in choices:
        number = choice.removeprefix("frame-")
        if choice.startswith("frame-") and number.isdecimal() and int(number) < frames:
            return int(number)
    listed = range(frames) if frames <= _LISTED else (0, frames // 2, frames - 1)
    raise NeedsChoice(
        f"{path.name}: holds {frames} volumes (a series in time or of another kind), choose one",
        code="several_volumes",
        path=str(path),
        choices={f"frame-{n}": f"volume {n + 1} of {frames}" for n in listed},
    )


def grid_or_choice(
    shape: tuple[int, ...], affine: ArrayLike, path: Path, *, code: str, choices: Mapping[str, str]
) -> Geometry:
    """Return the grid; where it is refused with `code`, offer `choices` instead."""
    try:
        return grid(shape, affine, path)
    except ImageRejected as error:
        if error.code != code:
            raise
        raise NeedsChoice(error.message, code=code, path=str(path), choices=dict(choices)) from error


def ask_complex(dtype: np.dtype[Any], choices: frozenset[str], path: Path) -> None:
    """Raise `NeedsChoice` (`complex_voxels`) for complex numbers unless `magnitude` was chosen."""
    if dtype.kind == "c" and "magnitude" not in choices:
        offered = {"magnitude": "use the magnitude of each complex number"}
        raise NeedsChoice(f"{path.name}: holds complex numbers", code="complex_voxels", path=str(path), choices=offered)


def real(array: NDArray[Any], choices: frozenset[str], path: Path) -> NDArray[Any]:
    """Return real voxels of a supported type: complex ones as magnitude, float64 as float32, 64-bit integers as 32.

    Parameters
    ----------
    array : numpy.ndarray
        Any shape.

    Raises
    ------
    NeedsChoice
        `not_finite_voxels` where voxels are NaN or infinite.
    ImageRejected
        `unsupported_type` for integers beyond 32 bits.
    """
    if array.dtype.kind == "c":
        array = np.abs(array)
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return _finite(array.astype(np.float32, copy=False), choices, path)
    if array.dtype.itemsize == 8:
        limit = np.iinfo(np.int32)
        if array.size and (array.min() < limit.min or array.max() > limit.max):
            raise reject(path, "holds integers beyond 32 bits", "unsupported_type")
        return array.astype(np.int32)
    return array


def _finite(array: NDArray[Any], choices: frozenset[str], path: Path) -> NDArray[Any]:
    finite = np.isfinite(array)
    if finite.all():
        return array
    if "zero-not-finite" in choices:
        return np.where(finite, array, np.float32(0))
    raise NeedsChoice(
        f"{path.name}: {array.size - int(finite.sum())} of {array.size} voxels are not a number or infinite",
        code="not_finite_voxels",
        path=str(path),
        choices={"zero-not-finite": "set those voxels to 0"},
    )


def rescale(array: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    """Return `array * slope + intercept`: int16 where that is exact and fits, float32 otherwise.

    Of complex numbers both parts are rescaled (nifti1.h), and they stay complex.

    Parameters
    ----------
    array : numpy.ndarray
        Any shape; kept as it is for slope 1 and intercept 0.
    """
    if slope == 1 and intercept == 0:
        return array
    if array.dtype.kind in "iu" and float(slope).is_integer() and float(intercept).is_integer() and array.size:
        ends = [int(array.min()) * int(slope) + int(intercept), int(array.max()) * int(slope) + int(intercept)]
        if min(ends) >= -(2**15) and max(ends) < 2**15:
            return (array.astype(np.int32) * int(slope) + int(intercept)).astype(np.int16)
    with np.errstate(over="ignore"):
        if array.dtype.kind == "c":
            return array * np.float64(slope) + complex(intercept, intercept)
        return (array * np.float64(slope) + np.float64(intercept)).astype(np.float32)


def narrow(array: NDArray[Any]) -> NDArray[Any]:
    """Return integers as int16 where all fit, else as float32 (exact up to 24 bits); floats unchanged."""
    if array.dtype.kind == "f" or array.dtype == np.int16:
        return array
    fits = array.dtype.itemsize == 1 or not array.size or (array.min() >= -(2**15) and array.max() < 2**15)
    return array.astype(np.int16 if fits else np.float32)


def as_label_array(array: NDArray[Any], schema: LabelSchema, path: Path) -> NDArray[Any]:
    """Return whole numbers as uint8, or uint16 where the schema has values above 255.

    The type follows from the schema and not from the voxels, so that equal label maps have equal digests.

    Raises
    ------
    ImageRejected
        `not_labels` for anything but whole numbers from 0 to 65535.
    SchemaError
        If a value is not in the schema.
    """
    low, high = (array.min(), array.max()) if array.size else (0, 0)
    if low < 0 or high > 65535 or (array.dtype.kind == "f" and not (array == np.rint(array)).all()):
        raise reject(path, f"labels must be whole numbers 0 to 65535, it holds {low} to {high}", "not_labels")
    kind = label_dtype(schema)
    if high > np.iinfo(kind).max:
        schema.check_values(int(value) for value in np.unique(array))
    return array.astype(kind, copy=False)


def label_dtype(schema: LabelSchema) -> np.dtype[Any]:
    """Return the type of a label map's voxels: uint8, or uint16 where the schema has values above 255."""
    return np.dtype(np.uint8 if max(schema.values, default=0) < 256 else np.uint16)


def provenance(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts about the reading, free of names and paths, with the version of the reader."""
    return {**facts, "reader": f"medheart_io {__version__}"}
