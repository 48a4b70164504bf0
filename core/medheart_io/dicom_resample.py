"""Resampling a tilted or unevenly spaced stack onto its upright, even grid.

Every slice is shifted within its own plane, then neighbours are blended along the normal: both linear.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart_io.dicom_stack import Stack

__all__ = ["resample"]


def resample(array: NDArray[Any], stack: Stack) -> NDArray[Any]:
    """Return `array` on `stack.geometry`.

    Parameters
    ----------
    array : numpy.ndarray
        (K, J, I) in the order of `stack.frames`, modality values.
    stack : Stack
        With `resample`.

    Returns
    -------
    numpy.ndarray
        (K, J, I) of the type of `array`; outside of all slices the smallest value of the image.
    """
    geometry, outside = stack.geometry, float(array.min())
    normal = geometry.direction[:, 2]
    along = stack.positions @ normal
    offsets = geometry.lps_to_index(stack.positions)[:, :2]
    result = np.empty(geometry.shape, dtype=np.float32)
    shifted: dict[int, NDArray[np.float32]] = {}
    for k in range(geometry.shape[0]):
        at = float(geometry.origin @ normal) + k * float(geometry.spacing[2])
        upper = int(np.clip(np.searchsorted(along, at - 1e-6), 1, len(along) - 1))
        weight = float(np.clip((at - along[upper - 1]) / (along[upper] - along[upper - 1]), 0, 1))
        shifted = {n: s for n, s in shifted.items() if n in {upper - 1, upper}}
        for n in (upper - 1, upper):
            if n not in shifted:
                shifted[n] = _shift(array[n], offsets[n], geometry.shape[1:], outside)
        result[k] = (1 - weight) * shifted[upper - 1] + weight * shifted[upper]
    return np.rint(result).astype(array.dtype) if array.dtype.kind in "iu" else result.astype(array.dtype)


def _shift(
    plane: NDArray[Any], offset: NDArray[np.float64], shape: tuple[int, ...], outside: float
) -> NDArray[np.float32]:
    from scipy.ndimage import affine_transform

    start = np.array([-offset[1], -offset[0]])
    moved: NDArray[np.float32] = affine_transform(
        plane.astype(np.float32), np.ones(2), start, output_shape=shape, order=1, mode="constant", cval=outside
    )
    return moved
