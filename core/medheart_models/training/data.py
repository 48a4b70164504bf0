"""Cases for training: loading, and drawing windows from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medheart import Volume
from medheart.task import Task
from medheart_io import read_image
from medheart_models.preprocessing import prepare, prepare_labels

__all__ = ["Case", "Split", "draw_batch", "load_case", "load_split", "make_case"]


@dataclass(frozen=True, eq=False)
class Case:
    """A prepared case: `image` (C, K, J, I) float32 and `labels` (K, J, I) uint8 on the network's grid."""

    name: str
    image: NDArray[np.float32]
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class Split:
    """Names of the cases to train on and of those held out."""

    training: tuple[str, ...]
    held_out: tuple[str, ...]


def load_split(task_id: str) -> Split:
    """Read the split of a task, fixed by case in a file of the project."""
    path = resources.files("medheart_models") / "training" / "splits" / f"{task_id}.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    return Split(tuple(data["training"]), tuple(data["held_out"]))


def load_case(name: str, images: Sequence[Path], labels: Path, task: Task) -> Case:
    """Read and prepare one case, one image file per input of the task."""
    return make_case(name, [read_image(path) for path in images], read_image(labels).array, task)


def make_case(name: str, volumes: Sequence[Volume], labels: NDArray[Any], task: Task) -> Case:
    """Prepare one case; `labels` (K, J, I) lies on the grid of the first volume."""
    prepared = prepare(volumes, task)
    return Case(name, prepared.array, prepare_labels(labels, prepared))


def draw_window(
    case: Case, size: tuple[int, ...], rng: np.random.Generator, *, foreground: float, fill: float
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Cut a window of `size` out of a case at a random place.

    Along an axis where the case is smaller than the window, the case lies at a random place inside it.

    Parameters
    ----------
    foreground : float
        Share of windows that are centred on a random labelled voxel.
    fill : float
        Value outside the image.
    """
    shape = np.array(case.labels.shape)
    room = shape - np.array(size)
    start = rng.integers(np.minimum(room, 0), np.maximum(room, 0) + 1)
    if rng.random() < foreground and case.labels.any():
        labelled = np.flatnonzero(case.labels)
        centre = np.array(np.unravel_index(rng.choice(labelled), case.labels.shape))
        around = np.clip(centre - np.array(size) // 2, 0, np.maximum(room, 0))
        start = np.where(room > 0, around, start)
    low, high = np.maximum(start, 0), np.minimum(start + size, shape)
    source = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    target = tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))
    image = np.full((len(case.image), *size), fill, np.float32)
    labels = np.zeros(size, np.uint8)
    image[(slice(None), *target)] = case.image[(slice(None), *source)]
    labels[target] = case.labels[source]
    return image, labels


def draw_batch(
    cases: Sequence[Case], indices: Sequence[int], rng: np.random.Generator, **options: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw one window from each of `cases[indices]`: images (B, C, K, J, I) float32, labels (B, K, J, I) int64."""
    pairs = [draw_window(cases[index], rng=rng, **options) for index in indices]
    images, labels = zip(*pairs, strict=True)
    return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(labels)).long()
