"""Air that the body encloses: what the lungs of a CT are found by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart import Geometry

__all__ = ["AIR_HU", "enclosed_air"]

AIR_HU = -500.0
"""Below: air and aerated lung."""

_COARSE_MM = 4.0
_LEAST_PART_ML = 50.0


def enclosed_air(
    array: NDArray[Any], geometry: Geometry, *, slice_axis: int = 0
) -> tuple[NDArray[Any], NDArray[np.bool_], tuple[int, int, int]]:
    """Find air that does not reach the sides of the image, in parts of at least 50 mL, on a grid of about 4 mm.

    Parameters
    ----------
    array : numpy.ndarray
        (K, J, I) HU.
    geometry : Geometry
        Its grid.
    slice_axis : int
        Axis of `array` that runs along the body: air may reach its two ends.

    Returns
    -------
    coarse : numpy.ndarray
        Every n-th voxel of `array`, with n along (K, J, I) as in `steps`.
    air : numpy.ndarray
        Boolean, of the shape of `coarse`.
    steps : tuple of int
    """
    from scipy.ndimage import label

    k, j, i = (max(1, int(_COARSE_MM // spacing)) for spacing in geometry.spacing_kji)
    coarse = array[::k, ::j, ::i]
    parts, count = label(coarse < AIR_HU)
    sizes = np.bincount(parts.reshape(-1), minlength=count + 1)
    sizes[0] = 0
    for axis in (n for n in range(3) if n != slice_axis):
        for end in (0, -1):
            sizes[np.unique(np.take(parts, end, axis=axis))] = 0
    least = _LEAST_PART_ML * 1000 / (geometry.voxel_volume_mm3 * float(np.prod((k, j, i))))
    return coarse, np.asarray((sizes >= least)[parts]), (k, j, i)
