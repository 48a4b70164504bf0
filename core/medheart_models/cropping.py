"""Which part of an image a network needs to see: the lungs of a chest CT."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart import Geometry
from medheart_models.enclosed import enclosed_air

__all__ = ["Box", "cropped_geometry", "lung_box", "whole"]

Box = tuple[slice, slice, slice]
"""Voxels along (K, J, I)."""

_BODY_HU = -300


def whole(shape: tuple[int, ...]) -> Box:
    """Return the box of the whole array."""
    k, j, i = (slice(0, n) for n in shape)
    return k, j, i


def lung_box(array: NDArray[Any], geometry: Geometry, *, margin_mm: float) -> Box:
    """Return the box around the lungs of a chest CT.

    Air that is enclosed by the body, in parts of at least 50 mL. The box is as wide on both sides of
    the body's middle, so that a lung without air is inside as well.

    Parameters
    ----------
    array : numpy.ndarray
        (K, J, I) HU, with K along the body and I from right to left.
    geometry : Geometry
        Its grid.
    margin_mm : float
        Added on all sides.

    Returns
    -------
    tuple of slice
        Along (K, J, I); the whole array where no lung is found.
    """
    coarse, lungs, steps = enclosed_air(array, geometry)
    if not lungs.any():
        return whole(array.shape)
    low, high = (f(np.argwhere(lungs), axis=0) for f in (np.min, np.max))
    middle = float(np.argwhere((coarse > _BODY_HU).any(axis=(0, 1))).mean())
    half = max(middle - low[2], high[2] - middle)
    low[2], high[2] = np.floor(middle - half), np.ceil(middle + half)
    margin = np.ceil(margin_mm / np.array(geometry.spacing_kji)).astype(int)
    start = np.maximum(low * steps - margin, 0)
    stop = np.minimum((high + 1) * steps + margin, array.shape)
    k, j, i = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    return k, j, i


def cropped_geometry(geometry: Geometry, box: Box) -> Geometry:
    """Return the grid of `array[box]`."""
    affine = geometry.affine.copy()
    affine[:3, 3] = geometry.index_to_lps([part.start for part in reversed(box)])
    return Geometry((box[0].stop - box[0].start, box[1].stop - box[1].start, box[2].stop - box[2].start), affine)
