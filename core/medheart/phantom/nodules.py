"""Nodules into real chest CTs: where they go, and how they are inserted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medheart.errors import GeometryError
from medheart.phantom._fields import Field
from medheart.phantom._nodule import Nodule, render_nodule, sample_nodule
from medheart.volume import Volume

__all__ = ["insert_nodules", "noise_level", "place_nodules"]


def insert_nodules(
    volume: Volume,
    lung_mask: NDArray[np.bool_],
    rng: np.random.Generator,
    count: int,
    *,
    diameter_mm: tuple[float, float] = (4, 25),
) -> tuple[Volume, NDArray[np.bool_]]:
    """Return a copy of a chest CT with simulated nodules in its lungs, and their mask.

    Parameters
    ----------
    volume : Volume
        CT in HU, any orientation.
    lung_mask : numpy.ndarray
        Boolean (K, J, I): the lungs with their vessels, as `medheart.phantom.lung_mask` finds them.
    count : int
        Nodules wanted; fewer where there is no room.
    diameter_mm : tuple of float
        Smallest and largest mean diameter.

    Raises
    ------
    GeometryError
        If the mask has another shape than the volume.
    """
    if lung_mask.shape != volume.array.shape:
        raise GeometryError(f"lung_mask has shape {lung_mask.shape}, the volume {volume.array.shape} (K, J, I)")
    i, j, k = (float(s) for s in volume.geometry.spacing)
    spacing = (i, j, k)
    image = volume.array.astype(np.float32)
    noise = noise_level(image, lung_mask)
    mask = np.zeros(image.shape, dtype=bool)
    for nodule in place_nodules(rng, image, lung_mask, spacing, count, diameter_mm=diameter_mm):
        mask |= render_nodule(image, spacing, nodule, lung_mask, edge_mm=1.3 * max(spacing), noise_hu=noise)
    kind: Any = volume.array.dtype
    array = np.rint(image).astype(kind) if kind.kind in "iu" else image.astype(kind)
    return Volume(array, volume.geometry, volume.modality, dict(volume.meta)), mask


def noise_level(image: Field, region: NDArray[np.bool_]) -> float:
    """Estimate the noise in HU from the differences of neighbours along a row inside `region` (K, J, I)."""
    step = np.diff(image, axis=2)[region[:, :, 1:] & region[:, :, :-1]]
    if step.size == 0:
        return 0.0
    return float(np.median(np.abs(step - np.median(step)))) * 1.4826 / 2**0.5


def place_nodules(
    rng: np.random.Generator,
    image: Field,
    lung: NDArray[np.bool_],
    spacing: tuple[float, float, float],
    count: int,
    *,
    diameter_mm: tuple[float, float] = (4, 25),
) -> list[Nodule]:
    """Draw nodules at free places of the lungs: some by the pleura, some at vessels, the others anywhere.

    Parameters
    ----------
    image, lung : numpy.ndarray
        (K, J, I) HU, and the lungs with their vessels.
    spacing : tuple of float
        Mm along (i, j, k).
    """
    step = max(1, round(2.0 / min(spacing)))
    coarse = lung[::step, ::step, ::step]
    sampling = tuple(s * step for s in spacing[::-1])
    depth = ndimage.distance_transform_edt(np.pad(coarse, 1), sampling=sampling)[1:-1, 1:-1, 1:-1]
    vessel = coarse & (image[::step, ::step, ::step] > -500)
    found: list[Nodule] = []
    for _ in range(count * 20):
        if len(found) == count:
            break
        nodule = sample_nodule(rng, diameter_mm=diameter_mm)
        room = _candidates(rng, nodule, depth, vessel)
        if len(room) == 0:
            continue
        index = room[int(rng.integers(len(room)))] * step
        x, y, z = (float(v * s) for v, s in zip(index[::-1], spacing, strict=True))
        placed = nodule.at((x, y, z))
        if all(_apart(placed, other) for other in found):
            found.append(placed)
    return found


def _candidates(
    rng: np.random.Generator, nodule: Nodule, depth: NDArray[np.float64], vessel: NDArray[np.bool_]
) -> NDArray[np.intp]:
    radius = nodule.body.diameter_mm / 2
    where = rng.random()
    if where < 0.3:
        return np.argwhere((depth > 0.35 * radius) & (depth < 0.85 * radius + 0.5))
    inner = depth > 1.1 * radius
    return np.argwhere(inner & vessel) if where < 0.55 else np.argwhere(inner)


def _apart(first: Nodule, second: Nodule) -> bool:
    gap = np.linalg.norm(np.subtract(first.body.centre_mm, second.body.centre_mm))
    return bool(gap > (first.body.diameter_mm + second.body.diameter_mm) * 0.9 + 4)
