"""Which part of an image a network needs to see: the lungs of a chest CT."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medheart import Geometry

__all__ = ["Box", "cropped_geometry", "lung_box", "whole"]

Box = tuple[slice, slice, slice]
"""Voxels along (K, J, I)."""

_COARSE_MM = 4.0
_AIR_HU = -500
_BODY_HU = -300
_LEAST_PART_ML = 50.0


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
    steps = [max(1, int(_COARSE_MM // spacing)) for spacing in geometry.spacing_kji]
    coarse = array[:: steps[0], :: steps[1], :: steps[2]]
    lungs = _enclosed_air(coarse < _AIR_HU, _LEAST_PART_ML * 1000 / (geometry.voxel_volume_mm3 * float(np.prod(steps))))
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


def _enclosed_air(air: NDArray[np.bool_], least: float) -> NDArray[np.bool_]:
    """Return the parts of at least `least` voxels that do not reach the sides (they may reach head and feet end)."""
    parts, _ = ndimage.label(air)
    sizes = np.bincount(parts.reshape(-1))
    sides = (parts[:, 0], parts[:, -1], parts[:, :, 0], parts[:, :, -1])
    sizes[np.unique(np.concatenate([side.reshape(-1) for side in sides]))] = 0
    sizes[0] = 0
    return np.asarray((sizes >= least)[parts])


def cropped_geometry(geometry: Geometry, box: Box) -> Geometry:
    """Return the grid of `array[box]`."""
    affine = geometry.affine.copy()
    affine[:3, 3] = geometry.index_to_lps([part.start for part in reversed(box)])
    return Geometry((box[0].stop - box[0].start, box[1].stop - box[1].start, box[2].stop - box[2].start), affine)
