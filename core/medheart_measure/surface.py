"""Surface area by Crofton's formula over the 13 directions of a voxel's neighbours."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import SphericalVoronoi

__all__ = ["crofton_area", "direction_weights"]

_BLOCK = 2**20
"""Voxels compared at a time, so that they stay in the processor's cache."""
_STEPS = (
    (0, 0, 1), (0, 1, 0), (1, 0, 0),
    (0, 1, 1), (0, 1, -1), (1, 0, 1), (1, 0, -1), (1, 1, 0), (1, -1, 0),
    (1, 1, 1), (1, 1, -1), (1, -1, 1), (1, -1, -1),
)  # fmt: skip


@lru_cache(maxsize=64)
def direction_weights(spacing: tuple[float, float, float]) -> tuple[float, ...]:
    """Return the share of all directions that each of the 13 steps between neighbours stands for.

    Parameters
    ----------
    spacing : tuple of float
        Mm along the array's axes (K, J, I).

    Returns
    -------
    tuple of float
        Area of the Voronoi cells of a step and its opposite on the unit sphere, in the physical directions that the
        spacing gives, over 4π; they sum to 1.
    """
    steps = np.array(_STEPS) * np.array(spacing)
    directions = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    cells = SphericalVoronoi(np.concatenate([directions, -directions])).calculate_areas() / (4 * np.pi)
    half = len(_STEPS)
    return tuple(float(w) for w in cells[:half] + cells[half:])


def crofton_area(padded: NDArray[np.bool_], spacing: tuple[float, float, float]) -> float:
    """Return the surface area of a mask.

    Along each direction the borders crossed by the lines through all voxels estimate the area of the mask's
    projection; a quarter of the surface is the mean projection over all directions.

    Parameters
    ----------
    padded : numpy.ndarray
        (k, j, i) boolean, with at least one empty voxel on every side.
    spacing : tuple of float
        Mm along the array's axes (K, J, I).

    Returns
    -------
    float
        Area in mm². Measured on spheres of 40 mm radius: within 0.2 %, on 0.5 x 0.9 x 5 mm voxels, too (counting voxel
        faces: 50 % too much). Elongated ellipsoids (4:2:1): within 0.5 % on an isotropic grid, 7 % too small on
        0.7 x 0.7 x 2.5 mm and 10 % on 0.5 x 0.9 x 5 mm, where the 13 directions no longer cover the sphere evenly.

    References
    ----------
    Lehmann G., Legland D., "Efficient N-dimensional surface estimation using Crofton formula and run-length
    encoding", Insight Journal 2012, hdl.handle.net/10380/3342. Differs from ITK on anisotropic grids only, where ITK
    keeps the weights of the isotropic one and the same ellipsoids come out 35 % too small to 24 % too large.
    """
    voxel = float(np.prod(spacing))
    total = 0.0
    for step, weight in zip(_STEPS, direction_weights(spacing), strict=True):
        length = float(np.linalg.norm(np.array(step) * spacing))
        total += weight * _crossings(padded, step) * voxel / (2 * length)
    return 4 * total


def _crossings(padded: NDArray[Any], step: tuple[int, int, int]) -> int:
    here = tuple(slice(max(-s, 0), n - max(s, 0)) for s, n in zip(step, padded.shape, strict=True))
    there = tuple(slice(max(s, 0), n - max(-s, 0)) for s, n in zip(step, padded.shape, strict=True))
    a, b = padded[here], padded[there]
    block = max(1, _BLOCK // max(1, a[0].size))
    return sum(int(np.count_nonzero(a[k : k + block] != b[k : k + block])) for k in range(0, len(a), block))
