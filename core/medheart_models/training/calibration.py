"""How sure a network must be: a constant added to its background score, chosen on cases of their own.

A network that is trained on windows around its targets meets them more often than in whole images, and
marks too much there. Training and evaluation take no part in the choice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medheart import Volume
from medheart.task import Task
from medheart_models.training.evaluation import TorchNetwork, class_labels, class_scores, mean_scores, score_case
from medheart_runtime import Network

__all__ = ["CALIBRATION_STEPS", "LabelledVolumes", "add_background_bias", "best_background_bias", "calibrate"]

log = logging.getLogger(__name__)

LabelledVolumes = tuple[Sequence[Volume], NDArray[Any]]
"""The images of a case, one per input, and its labels (K, J, I) on the first one's grid."""

CALIBRATION_STEPS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)


def calibrate(network: nn.Module, task: Task, cases: Iterable[LabelledVolumes]) -> float:
    """Shift the network's background score as calibration cases ask, and return by how much; 0 without any."""
    bias = best_background_bias(TorchNetwork(network), task, cases)
    if bias:
        add_background_bias(network, bias)
        log.info("%s: background score + %.1f", task.id, bias)
    return bias


def best_background_bias(network: Network, task: Task, cases: Iterable[LabelledVolumes]) -> float:
    """Return which of `CALIBRATION_STEPS`, added to the background's score, gives the best mean Dice."""
    totals = np.zeros(len(CALIBRATION_STEPS))
    for volumes, labels in cases:
        prepared, scores = class_scores(network, volumes, task)
        for n, bias in enumerate(CALIBRATION_STEPS):
            shifted = scores.copy()
            shifted[0] += bias
            found = {"case": score_case(class_labels(shifted, prepared, task), labels, task)}
            totals[n] += np.mean(list(mean_scores(found).values()))
    return CALIBRATION_STEPS[int(totals.argmax())]


def add_background_bias(network: nn.Module, amount: float) -> None:
    """Add a constant to the background's score, in the bias of the network's last convolution."""
    last = [module for module in network.modules() if isinstance(module, nn.Conv3d)][-1]
    assert last.bias is not None
    with torch.no_grad():
        last.bias[0] += amount
