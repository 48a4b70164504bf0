"""From images to the network's grid and back; the same code for training and inference, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from medheart import Geometry, Volume
from medheart.errors import TaskError
from medheart.task import Task
from medheart_models.cropping import Box, cropped_geometry, lung_box, whole
from medheart_models.resampling import apply_axis, axis_weights, resampled_geometry, resize

__all__ = ["Prepared", "prepare", "prepare_labels", "restore"]

_SAME_SPACING = 0.01  # relative difference below which a grid is used as it is


@dataclass(frozen=True, eq=False)
class Prepared:
    """Input of a network, and the way back.

    Parameters
    ----------
    array : numpy.ndarray
        (C, K, J, I) float32, contiguous, normalised; K towards the head, J to the back, I to the left
        as nearly as the grid's axes allow.
    geometry : Geometry
        Grid of `array`.
    source : Geometry
        Grid of the first input, to which results return.
    axes : tuple of int
        Order for `numpy.transpose` of a (K, J, I) array of the source grid.
    flips : tuple of bool
        Per axis of the transposed array, whether it is then reversed.
    box : tuple of slice
        Part of the transposed and reversed array that the network sees.
    """

    array: NDArray[np.float32]
    geometry: Geometry
    source: Geometry
    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    box: Box


def prepare(volumes: Sequence[Volume], task: Task) -> Prepared:
    """Bring the inputs of a task onto one normalised grid.

    Parameters
    ----------
    volumes : sequence of Volume
        One per input of the task, in its order; further ones are resampled onto the first one's
        grid by physical position.
    task : Task
        Whose `preprocessing` says spacing and normalisation.

    Returns
    -------
    Prepared

    Raises
    ------
    TaskError
        If the number of images is not the task's, or an image does not overlap the first.
    """
    if len(volumes) != len(task.inputs):
        roles = [item.role for item in task.inputs]
        raise TaskError(f"task {task.id!r} needs {len(roles)} images ({', '.join(roles)}), got {len(volumes)}")
    source = volumes[0].geometry
    axes, flips = canonical_order(source)
    turned = source.reoriented(axes, flips)
    arrays = [_reorient(_onto(volume, source), axes, flips) for volume in volumes]
    box = _box(arrays[0], turned, task)
    grid = network_geometry(cropped_geometry(turned, box), task)
    channels = [normalise(resize(array[box], grid.shape), task.preprocessing) for array in arrays]
    return Prepared(np.ascontiguousarray(np.stack(channels)), grid, source, axes, flips, box)


def prepare_labels(labels: NDArray[Any], prepared: Prepared) -> NDArray[np.uint8]:
    """Bring a label array (K, J, I) of the source grid onto the network's grid.

    Each label is resampled linearly and the largest share wins, so thin structures keep their volume.
    """
    turned = np.ascontiguousarray(_reorient(labels, prepared.axes, prepared.flips)[prepared.box])
    if turned.shape == prepared.geometry.shape:
        return turned.astype(np.uint8)
    values = np.unique(turned)
    shares = [resize(turned == value, prepared.geometry.shape) for value in values]
    return np.asarray(values.astype(np.uint8)[np.argmax(shares, axis=0)])


def restore(scores: NDArray[np.float32], prepared: Prepared) -> NDArray[np.uint8]:
    """Bring class scores back to the grid of the first input.

    Scores are interpolated linearly, then the highest wins. Where only axes were exchanged or
    reversed this is exact.

    Parameters
    ----------
    scores : numpy.ndarray
        (L, K, J, I) float32 on the network's grid, channel 0 background; any scores whose order
        decides (logits or probabilities).
    prepared : Prepared
        What `prepare` returned.

    Returns
    -------
    numpy.ndarray
        (K, J, I) uint8 on the grid of the first input: index of the winning class.
    """
    if scores.ndim != 4 or scores.shape[1:] != prepared.geometry.shape:
        raise TaskError(f"scores must be (L, {', '.join(map(str, prepared.geometry.shape))}), got {scores.shape}")
    size = tuple(part.stop - part.start for part in prepared.box)
    turned = np.zeros([prepared.source.shape[axis] for axis in prepared.axes], np.uint8)
    turned[prepared.box] = _argmax_resized(np.asarray(scores, dtype=np.float32), size)
    flipped = np.flip(turned, [n for n in range(3) if prepared.flips[n]])
    inverse = tuple(int(n) for n in np.argsort(prepared.axes))
    return np.ascontiguousarray(np.transpose(flipped, inverse))


def canonical_order(geometry: Geometry) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Return the axis order and reversals that bring a (K, J, I) array nearest to LPS."""
    letters = geometry.orientation  # of i, j, k
    order, flips = [], []
    for pair in ("SI", "PA", "LR"):  # wanted directions of K, J, I
        index = next(n for n in range(3) if letters[n] in pair)
        order.append(2 - index)
        flips.append(letters[index] == pair[1])
    return (order[0], order[1], order[2]), (flips[0], flips[1], flips[2])


def network_geometry(turned: Geometry, task: Task) -> Geometry:
    """Return the grid that the network sees for an image in canonical order."""
    spacing = np.asarray(task.preprocessing["spacing_mm"], dtype=float)
    if np.abs(turned.spacing / spacing - 1).max() <= _SAME_SPACING:
        return turned
    return resampled_geometry(turned, [float(s) for s in spacing])


def _box(array: NDArray[Any], turned: Geometry, task: Task) -> Box:
    crop = task.preprocessing.get("crop")
    if crop is None:
        return whole(array.shape)
    if crop == "lungs":
        return lung_box(array, turned, margin_mm=task.preprocessing["crop_margin_mm"])
    raise TaskError(f"crop must be 'lungs' or left out, got {crop!r}")


def normalise(array: NDArray[np.float32], settings: dict[str, Any]) -> NDArray[np.float32]:
    """Return the array with the intensities a network expects.

    Parameters
    ----------
    array : numpy.ndarray
        (K, J, I) float32, HU for CT.
    settings : dict
        `normalisation` = `window` maps `window` [low, high] to -1..1 and clips; `z-score` clips to the
        `percentiles` of the foreground, then subtracts its mean and divides by its standard deviation.
        `foreground` = `above-minimum` (the default; air and padding set to one value do not count) or
        `above-mean` (tissue, with or without the skull, whatever the noise of the air). The result is
        limited to `clip`, where given.
    """
    if settings["normalisation"] == "window":
        low, high = settings["window"]
        return np.asarray(np.clip((array - low) * (2.0 / (high - low)) - 1.0, -1.0, 1.0), np.float32)
    if settings["normalisation"] == "z-score":
        above_mean = settings.get("foreground", "above-minimum") == "above-mean"
        inside = array[array > (array.mean() if above_mean else array.min())]
        if inside.size == 0:
            return np.zeros_like(array)
        low, high = np.percentile(inside, settings["percentiles"])
        inside = np.clip(inside, low, high)
        spread = max(float(inside.std()), 1e-6)
        scaled = (np.clip(array, low, high) - float(inside.mean())) / spread
        return np.asarray(np.clip(scaled, *settings.get("clip", (-np.inf, np.inf))), np.float32)
    raise TaskError(f"normalisation must be 'window' or 'z-score', got {settings['normalisation']!r}")


def _reorient(array: NDArray[Any], axes: tuple[int, ...], flips: tuple[bool, ...]) -> NDArray[Any]:
    return np.flip(np.transpose(array, axes), [n for n in range(3) if flips[n]])


def _to_sitk(array: NDArray[Any], geometry: Geometry) -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(np.asarray(array, dtype=np.float32))
    image.SetSpacing([float(s) for s in geometry.spacing])
    image.SetOrigin([float(x) for x in geometry.origin])
    image.SetDirection([float(x) for x in geometry.direction.reshape(-1)])
    return image


def _onto(volume: Volume, grid: Geometry) -> NDArray[Any]:
    if volume.geometry.matches(grid):
        return volume.array
    corners = grid.lps_to_index(volume.geometry.index_to_lps(_corners(volume.geometry)))
    if (corners.max(axis=0) < 0).any() or (corners.min(axis=0) > np.array(grid.size_ijk) - 1).any():
        raise TaskError("the images do not overlap in space: are they of one examination?")
    reference = SimpleITK.Image([int(n) for n in grid.size_ijk], SimpleITK.sitkUInt8)
    reference.SetSpacing([float(s) for s in grid.spacing])
    reference.SetOrigin([float(x) for x in grid.origin])
    reference.SetDirection([float(x) for x in grid.direction.reshape(-1)])
    moving = _to_sitk(volume.array, volume.geometry)
    outside = float(volume.array.min())
    moved = SimpleITK.Resample(moving, reference, SimpleITK.Transform(), SimpleITK.sitkLinear, outside)
    return np.asarray(SimpleITK.GetArrayFromImage(moved))


def _corners(geometry: Geometry) -> NDArray[np.float64]:
    i, j, k = (n - 1 for n in geometry.size_ijk)
    return np.array([[a, b, c] for a in (0, i) for b in (0, j) for c in (0, k)], dtype=np.float64)


def _argmax_resized(scores: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Resample (L, K, J, I) linearly and return the argmax, working only where a foreground class can win.

    A weighted mean has class 0 as its maximum wherever all its terms have, so a box around the
    foreground of the network's grid is enough.
    """
    winners = np.asarray(np.argmax(scores, axis=0), np.uint8)
    if winners.shape == shape:
        return winners
    result = np.zeros(shape, np.uint8)
    found = np.argwhere(winners)
    if found.size == 0:
        return result
    box, matrices, crop = [], [], []
    for axis in range(3):
        weights = axis_weights(winners.shape[axis], shape[axis])
        touched = np.flatnonzero(np.diff(weights[:, found[:, axis].min() : found[:, axis].max() + 1].indptr))
        rows = slice(int(touched[0]), int(touched[-1]) + 1)
        used = np.unique(weights[rows].indices)
        columns = slice(int(used.min()), int(used.max()) + 1)
        box.append(rows)
        crop.append(columns)
        matrices.append(weights[rows, columns])
    part = scores[(slice(None), *crop)]
    along_rows = apply_axis(matrices[2], apply_axis(matrices[1], part, 2), 3)
    for start in range(0, matrices[0].shape[0], 16):  # by slabs, to bound the memory
        slab = apply_axis(matrices[0][start : start + 16], along_rows, 1)
        target = slice(box[0].start + start, box[0].start + start + slab.shape[1])
        result[target, box[1], box[2]] = np.argmax(slab, axis=0)
    return result
