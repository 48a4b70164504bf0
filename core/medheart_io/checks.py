"""Own checks of header numbers, made before any library reads voxels with them.

Every number is finite and in range, sizes are multiplied as Python integers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from medheart.errors import GeometryError, ImageRejected
from medheart.geometry import Geometry
from medheart_io.boundary import reject

__all__ = [
    "MAX_DIMENSION",
    "MAX_SPACING_MM",
    "MAX_VOXELS",
    "MIN_SPACING_MM",
    "check_shape",
    "check_spacing",
    "check_voxels",
    "grid",
]

MAX_DIMENSION = 4096
MAX_VOXELS = 2**30
MIN_SPACING_MM = 0.01
MAX_SPACING_MM = 50.0
_MAX_ORIGIN_MM = 1e5


def check_shape(shape: Sequence[int], path: Path | str) -> tuple[int, ...]:
    """Return the sizes as Python integers, or raise.

    Raises
    ------
    ImageRejected
        `bad_shape` if a size is outside 1..4096, `too_large` if there are more than 2**30 voxels.
    """
    sizes = tuple(int(n) for n in shape)
    if not sizes or min(sizes) < 1 or max(sizes) > MAX_DIMENSION:
        raise reject(path, f"every size must be 1 to {MAX_DIMENSION}, the header says {list(sizes)}", "bad_shape")
    check_voxels(sizes, path)
    return sizes


def check_voxels(sizes: Sequence[int], path: Path | str) -> None:
    """Raise `too_large` if the sizes (Python integers) multiply to more than 2**30 voxels."""
    if math.prod(sizes) > MAX_VOXELS:
        raise reject(path, f"{list(sizes)} are more than {MAX_VOXELS} voxels", "too_large")


def check_spacing(spacing: ArrayLike, path: Path | str) -> tuple[float, ...]:
    """Return the spacing in mm as floats, or raise `bad_spacing` if one is not finite or outside 0.01..50 mm."""
    values = tuple(float(s) for s in np.asarray(spacing, dtype=np.float64).reshape(-1))
    if not all(math.isfinite(s) and MIN_SPACING_MM <= s <= MAX_SPACING_MM for s in values):
        text = f"spacing must be {MIN_SPACING_MM} to {MAX_SPACING_MM:g} mm, the header says {list(values)}"
        raise reject(path, text, "bad_spacing")
    return values


def check_origin(position: ArrayLike, path: Path | str) -> None:
    """Raise `bad_origin` if a position is more than 100 m away."""
    point = np.asarray(position, dtype=np.float64)
    if np.abs(point).max() > _MAX_ORIGIN_MM:
        raise reject(path, f"its position {point.tolist()} mm is more than 100 m away", "bad_origin")


def grid(shape: Sequence[int], affine: ArrayLike, path: Path | str) -> Geometry:
    """Return the checked grid of an image.

    Parameters
    ----------
    shape : sequence of int
        (K, J, I).
    affine : array_like
        (4, 4) from (i, j, k, 1) to LPS mm.
    path : path-like
        Named in errors.

    Raises
    ------
    ImageRejected
        `bad_shape`, `too_large`, `bad_spacing`, `not_finite`, `bad_origin` or `sheared`.
    """
    sizes = check_shape(shape, path)
    matrix = np.asarray(affine, dtype=np.float64)
    if not np.isfinite(matrix).all():
        raise reject(path, "a number of the orientation is not finite", "not_finite")
    check_spacing(np.linalg.norm(matrix[:3, :3], axis=0), path)
    check_origin(matrix[:3, 3], path)
    try:
        k, j, i = sizes
        return Geometry((k, j, i), matrix)
    except GeometryError as error:
        raise ImageRejected(f"{Path(path).name}: {error.message}", code=error.code, path=str(path)) from error
