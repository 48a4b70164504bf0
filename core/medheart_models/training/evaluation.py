"""Dice of a network on held-out cases, on their own grids."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medheart import Volume
from medheart.overlap import dice
from medheart.schema import load_schema
from medheart.task import Task
from medheart_models.postprocessing import postprocess
from medheart_models.preprocessing import Prepared, prepare, restore
from medheart_runtime import Network, sliding_window

__all__ = ["TorchNetwork", "class_labels", "class_scores", "mean_scores", "predictor", "score_case"]


class TorchNetwork:
    """A network under training, as the runtime's interface `medheart_runtime.Network`."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network.eval()
        self._device = next(network.parameters()).device

    @property
    def device(self) -> str:
        """Engine and device."""
        return f"torch:{self._device}"

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (B, C, K, J, I) to logits (B, L, K, J, I), float32."""
        with torch.no_grad():
            scores = self._network(torch.from_numpy(np.ascontiguousarray(batch)).to(self._device))
            return np.asarray(scores.float().cpu().numpy())


def class_scores(network: Network, volumes: Sequence[Volume], task: Task) -> tuple[Prepared, NDArray[np.float32]]:
    """Prepare images and run a network over them: scores (L, K, J, I) on the network's grid."""
    prepared = prepare(volumes, task)
    settings = task.inference
    scores = sliding_window(
        network,
        prepared.array,
        patch=settings["patch"],
        overlap=settings["overlap"],
        pad_value=settings["padding_value"],
    )
    return prepared, scores


def class_labels(scores: NDArray[np.float32], prepared: Prepared, task: Task) -> NDArray[np.uint8]:
    """Return the cleaned class array (K, J, I) on the grid of the first input."""
    return postprocess(restore(scores, prepared), prepared.source, task.postprocessing)


def predictor(network: Network, task: Task) -> Callable[[Sequence[Volume]], NDArray[np.uint8]]:
    """Return the function from a task's images to the class array (K, J, I) on the first one's grid.

    Preparing, tiles, restoring and cleaning are those of inference.
    """

    def predict(volumes: Sequence[Volume]) -> NDArray[np.uint8]:
        """Return classes (K, J, I) on the grid of the first volume."""
        prepared, scores = class_scores(network, volumes, task)
        return class_labels(scores, prepared, task)

    return predict


def score_case(labels: NDArray[np.uint8], truth: NDArray[Any], task: Task) -> dict[str, float]:
    """Return Dice by label name of two class arrays (K, J, I), rounded to 4 digits."""
    names = [label.name for label in load_schema(task.schema_id).labels]
    return {name: round(dice(labels == n, truth == n), 4) for n, name in enumerate(names, start=1)}


def mean_scores(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the mean over cases by label name."""
    names = next(iter(scores.values()), {})
    return {name: round(float(np.mean([case[name] for case in scores.values()])), 4) for name in names}
