"""Linear resampling of arrays along their own axes.

A grid and its resampled form share the outer edges of their field of view, so that voxel `n` of
`size` lies at `(n + 0.5) * old / size - 0.5` of the old grid, whatever the number of voxels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from medheart import Geometry

__all__ = ["axis_weights", "resampled_geometry", "resize"]


def axis_weights(old: int, new: int) -> sparse.csr_matrix:
    """Return the matrix that resamples one axis linearly.

    The kernel is a triangle as wide as the coarser of the two grids: plain linear interpolation
    where the new grid is finer, an average without aliasing where it is coarser. Rows sum to 1.

    Parameters
    ----------
    old, new : int
        Number of voxels before and after.

    Returns
    -------
    scipy.sparse.csr_matrix
        (new, old) float32.
    """
    factor = old / new
    width = max(1.0, factor)
    centre = (np.arange(new) + 0.5) * factor - 0.5
    reach = int(np.ceil(width))
    columns = np.floor(centre).astype(int)[:, None] + np.arange(-reach + 1, reach + 1)[None, :]
    weights = np.clip(1.0 - np.abs(columns - centre[:, None]) / width, 0.0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(new), columns.shape[1])
    inside = np.clip(columns, 0, old - 1).reshape(-1)  # the outermost voxels go on beyond the edge
    matrix = sparse.csr_matrix((weights.reshape(-1), (rows, inside)), shape=(new, old), dtype=np.float32)
    matrix.eliminate_zeros()
    return matrix


def apply_axis(matrix: sparse.csr_matrix, array: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Multiply `matrix` (new, old) into one axis of `array`."""
    moved = np.moveaxis(array, axis, 0)
    product = matrix @ np.ascontiguousarray(moved).reshape(moved.shape[0], -1)
    return np.moveaxis(product.reshape(matrix.shape[0], *moved.shape[1:]), 0, axis)


def resize(array: NDArray[Any], shape: Sequence[int]) -> NDArray[np.float32]:
    """Resample the last three axes of `array` linearly to `shape`, edges kept.

    Parameters
    ----------
    array : numpy.ndarray
        (..., K, J, I).
    shape : sequence of int
        The new (K, J, I).

    Returns
    -------
    numpy.ndarray
        (..., *shape) float32; the values of `array` untouched where no size changes.
    """
    result = np.asarray(array, dtype=np.float32)
    first = result.ndim - 3
    axes = [(first + n, result.shape[first + n], int(shape[n])) for n in range(3)]
    for axis, old, new in sorted(axes, key=lambda item: item[2] / item[1]):  # shrink before growing
        if old != new:
            result = apply_axis(axis_weights(old, new), result, axis)
    return np.ascontiguousarray(result)


def resampled_geometry(geometry: Geometry, spacing: Sequence[float]) -> Geometry:
    """Return the grid with about `spacing` mm along (i, j, k) and the same outer edges.

    The number of voxels is rounded, the spacing then follows from the extent.
    """
    size = [max(1, round(extent / wanted)) for extent, wanted in zip(geometry.extent_mm, spacing, strict=True)]
    scale = np.array(geometry.size_ijk) / np.array(size)
    affine = geometry.affine.copy()
    affine[:3, :3] = geometry.affine[:3, :3] * scale
    affine[:3, 3] = geometry.index_to_lps(0.5 * scale - 0.5)
    return Geometry((size[2], size[1], size[0]), affine)
