"""Laying a label map onto the grid of its image where the voxels of both coincide."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart.errors import GeometryError
from medheart.geometry import Geometry
from medheart.volume import LabelMap

__all__ = ["place"]

_TOLERANCE_MM = 1e-2


def place(labels: LabelMap, like: Geometry) -> LabelMap:
    """Return `labels` on the grid `like`, voxel by voxel; nothing is interpolated.

    Parameters
    ----------
    labels : LabelMap
        Grid with the same lattice as `like`: axes may be permuted and flipped, the extent may differ.
    like : Geometry
        Target grid.

    Raises
    ------
    GeometryError
        If a voxel would not fall on a voxel of `like`, or a labelled one outside of it.
    """
    if labels.geometry.matches(like):
        return LabelMap(labels.array, like, labels.schema)
    axes, signs, start = _lattice(labels.geometry, like)
    turned = np.transpose(labels.array, axes)
    turned = turned[tuple(slice(None, None, sign) for sign in signs)]
    return LabelMap(_paste(turned, start, like.shape), like, labels.schema)


def _lattice(source: Geometry, like: Geometry) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    step = np.linalg.inv(like.affine[:3, :3]) @ source.affine[:3, :3]
    whole = np.rint(step)
    last = np.array([n - 1 for n in source.size_ijk])
    index = like.lps_to_index(source.index_to_lps(np.stack([np.zeros(3), last])))
    # Beside the lattice at the first voxel, and what each step adds to it up to the farthest corner.
    off = (np.abs(index[0] - np.rint(index[0])) + np.abs(step - whole) @ last) * like.spacing
    if not (np.abs(whole).sum(axis=0) == 1).all() or not (np.abs(whole).sum(axis=1) == 1).all():
        raise GeometryError("the label map's voxels have another size or direction than the image's")
    if off.max() > _TOLERANCE_MM:
        raise GeometryError(f"the label map's voxels lie up to {off.max():.3f} mm beside those of the image")
    order = [int(np.argmax(np.abs(whole[row]))) for row in range(3)]
    axes = tuple(2 - order[2 - n] for n in range(3))
    signs = tuple(int(whole[2 - n, order[2 - n]]) for n in range(3))
    start = tuple(int(v) for v in np.rint(index.min(axis=0))[::-1])
    return axes, signs, start


def _paste(array: NDArray[Any], start: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[Any]:
    target = np.zeros(shape, dtype=array.dtype)
    low = [max(0, -s) for s in start]
    high = [min(n, size - s) for n, s, size in zip(array.shape, start, shape, strict=True)]
    inside = tuple(slice(a, max(a, b)) for a, b in zip(low, high, strict=True))
    if np.count_nonzero(array) != np.count_nonzero(array[inside]):
        raise GeometryError("the label map has labelled voxels outside the image")
    at = tuple(slice(a + s, max(a, b) + s) for a, b, s in zip(low, high, start, strict=True))
    if array[inside].size:
        target[at] = array[inside]
    return target
