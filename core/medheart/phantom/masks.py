"""Where the lungs are in a chest CT, and the brain in a head MR: simple estimates for placing lesions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medheart.volume import Volume

__all__ = ["brain_mask", "lung_mask"]


def _thinned(volume: Volume, step_mm: float) -> tuple[NDArray[Any], tuple[float, float, float], tuple[int, int, int]]:
    """Return every n-th voxel, its spacing in mm, and n, all along (K, J, I)."""
    factors = tuple(max(1, round(step_mm / s)) for s in volume.geometry.spacing_kji)
    k, j, i = factors
    small = volume.array[::k, ::j, ::i]
    steps = tuple(f * s for f, s in zip(factors, volume.geometry.spacing_kji, strict=True))
    return small, (steps[0], steps[1], steps[2]), (k, j, i)


def _restored(mask: NDArray[np.bool_], factors: tuple[int, int, int], shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    index = [
        np.minimum((np.arange(n) + f // 2) // f, m - 1) for n, f, m in zip(shape, factors, mask.shape, strict=True)
    ]
    return np.asarray(mask[np.ix_(*index)])


def _ball(radius_mm: float, spacing: tuple[float, float, float]) -> NDArray[np.bool_]:
    half = [int(radius_mm // s) for s in spacing]
    offsets = np.ogrid[tuple(slice(-h, h + 1) for h in half)]
    away = sum((np.asarray(o) * s) ** 2 for o, s in zip(offsets, spacing, strict=True))
    return np.asarray(away <= radius_mm**2)


def _closed(mask: NDArray[np.bool_], radius_mm: float, spacing: tuple[float, float, float]) -> NDArray[np.bool_]:
    ball = _ball(radius_mm, spacing)
    padded = np.pad(mask, [(s, s) for s in ball.shape], mode="edge")
    closed = ndimage.binary_closing(padded, ball)
    return np.asarray(closed[tuple(slice(s, -s) for s in ball.shape)])


def _touches_sides(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the components at the image's sides, except those of the slice axis (lungs may be cut there)."""
    faces = [labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]]
    return np.asarray(np.unique(np.concatenate([face.ravel() for face in faces])))


def lung_mask(volume: Volume) -> NDArray[np.bool_]:
    """Estimate the lungs, with their vessels, in a chest CT.

    Air inside the body, its two largest parts, closed over vessels by 6 mm. Main airways are taken
    out where they are separate; a dense consolidation is not found.

    Parameters
    ----------
    volume : Volume
        CT in HU whose first array axis (K) runs along the body.

    Returns
    -------
    numpy.ndarray
        Boolean (K, J, I); empty where no air-filled part of 100 mL is inside the body.
    """
    small, spacing, factors = _thinned(volume, 3.0)
    air = small < -400
    labels, _ = ndimage.label(air)
    inside = air & ~np.isin(labels, _touches_sides(labels))
    inside &= ~ndimage.binary_dilation(ndimage.binary_opening(small < -970, _ball(5, spacing)), _ball(5, spacing))
    labels, count = ndimage.label(ndimage.binary_opening(inside))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    keep = [n for n in np.argsort(-sizes)[:2] if sizes[n] * np.prod(spacing) > 100e3]
    coarse = _closed(np.isin(labels, keep), 6.0, spacing)
    shape = volume.geometry.shape
    near = _restored(ndimage.binary_dilation(coarse), factors, shape)
    deep = _restored(ndimage.binary_erosion(coarse, border_value=1), factors, shape)
    return np.asarray(deep | (near & (volume.array < -400)))


def brain_mask(volume: Volume) -> NDArray[np.bool_]:
    """Estimate the brain in a head MR, with or without the skull.

    Brightness between half and twice that of the head's middle, of which what hangs together after
    the outer 5 mm are taken off, grown back and filled. Good enough for placing a lesion, not for
    measuring a brain.

    Parameters
    ----------
    volume : Volume
        MR image of a head; a background that was set to one value (skull-stripped) is recognised.

    Returns
    -------
    numpy.ndarray
        Boolean (K, J, I); empty where there is no head.

    References
    ----------
    Head's middle and its brightness: Smith SM. Hum Brain Mapp 2002;17:143-155. doi:10.1002/hbm.10062
    """
    background = volume.array.flat[0]
    if np.mean(volume.array == background) > 0.25:
        return np.asarray(ndimage.binary_fill_holes(volume.array != background))
    small, spacing, factors = _thinned(volume, 2.0)
    brightness = _middle_brightness(small.astype(np.float32), spacing)
    tissue = (small > 0.5 * brightness) & (small < 2 * brightness)
    core = ndimage.distance_transform_edt(np.pad(tissue, 1), sampling=spacing)[1:-1, 1:-1, 1:-1] > 5
    labels, count = ndimage.label(core)
    if count == 0:
        return np.zeros(volume.geometry.shape, dtype=bool)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    brain = ndimage.distance_transform_edt(labels != int(np.argmax(sizes)), sampling=spacing) < 6.5
    filled = ndimage.binary_fill_holes(_closed(brain & tissue, 7.0, spacing))
    return _restored(np.asarray(filled), factors, volume.geometry.shape)


def _middle_brightness(image: NDArray[np.float32], spacing: tuple[float, float, float]) -> float:
    """Return the median brightness of the inner part of the head."""
    low, high = np.percentile(image, [2, 98])
    head = np.argwhere(image > low + 0.1 * (high - low)) * np.array(spacing)
    middle = head.mean(axis=0)
    radius = (len(head) * float(np.prod(spacing)) * 0.75 / np.pi) ** (1 / 3)
    inner = np.ogrid[tuple(slice(0, n) for n in image.shape)]
    away = sum((np.asarray(o) * s - m) ** 2 for o, s, m in zip(inner, spacing, middle, strict=True))
    return float(np.median(image[away < (0.5 * radius) ** 2]))
