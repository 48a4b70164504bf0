"""The training loop."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from medheart_models.training import augmentation
from medheart_models.training.data import Case, draw_batch
from medheart_models.training.loss import segmentation_loss

__all__ = ["Patch", "train", "uses_bfloat16"]

log = logging.getLogger(__name__)


def uses_bfloat16(device: torch.device) -> bool:
    """Whether mixed precision is faster on this device: a GPU, or a CPU with bfloat16 instructions."""
    return device.type != "cpu" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@dataclass(frozen=True)
class Patch:
    """What the network sees at once: `size` (K, J, I), `classes` with background, `fill` outside the image."""

    size: tuple[int, ...]
    classes: int
    fill: float


class RunningAverage:
    """Exponential moving average of a network's weights."""

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        self.network = copy.deepcopy(network).eval()
        self.decay = decay

    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the weights of `network`; faster at the start, where the average is still young."""
        decay = min(self.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, value in zip(self.network.parameters(), network.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)
        for mean, value in zip(self.network.buffers(), network.buffers(), strict=True):
            mean.copy_(value)


def train(
    network: nn.Module,
    cases: Sequence[Case],
    recipe: dict[str, Any],
    *,
    epochs: int,
    patch: Patch,
    seed: int,
    after_epoch: Callable[[int, nn.Module], None] = lambda _epoch, _network: None,
    after_step: Callable[[int, int, float], None] = lambda _step, _steps, _loss: None,
) -> nn.Module:
    """Train a network and return the running average of its weights.

    Parameters
    ----------
    network : torch.nn.Module
        As `build_network` returns; changed in place.
    cases : sequence of Case
        Each is seen `recipe["windows_per_case"]` times an epoch.
    recipe : dict
        `batch`, `learning_rate`, `weight_decay`, `average_decay`, `margin`, `foreground`,
        `windows_per_case`, `augmentation`.
    epochs : int
        Length of the one-cycle schedule.
    patch : Patch
    seed : int
        For order, windows and augmentation.
    after_epoch : callable
        Gets the epoch (from 1) and the averaged network.
    after_step : callable
        Gets the step (from 1), the steps of all epochs, and the step's loss.
    """
    device = next(network.parameters()).device
    rng = np.random.default_rng(seed)
    steps = len(cases) * recipe["windows_per_case"] // recipe["batch"]
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe["learning_rate"], weight_decay=recipe["weight_decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe["learning_rate"], total_steps=epochs * steps, pct_start=0.15
    )
    average = RunningAverage(network, decay=recipe["average_decay"])
    for epoch in range(1, epochs + 1):
        started, losses = time.monotonic(), []
        network.train()
        order = np.concatenate([rng.permutation(len(cases)) for _ in range(recipe["windows_per_case"])])
        for step in range(steps):
            indices = order[step * recipe["batch"] : (step + 1) * recipe["batch"]]
            images, labels = _draw(cases, indices, rng, recipe, patch)
            losses.append(_step(network, images.to(device), labels.to(device), optimiser))
            schedule.step()
            average.update(network, (epoch - 1) * steps + step)
            after_step((epoch - 1) * steps + step + 1, epochs * steps, losses[-1])
        log.info("epoch %d/%d  loss %.4f  %.0f s", epoch, epochs, np.mean(losses), time.monotonic() - started)
        after_epoch(epoch, average.network)
    return average.network


def _draw(
    cases: Sequence[Case], indices: Sequence[int], rng: np.random.Generator, recipe: dict[str, Any], patch: Patch
) -> tuple[torch.Tensor, torch.Tensor]:
    window = tuple(n + recipe["margin"] for n in patch.size)
    images, labels = draw_batch(cases, indices, rng, size=window, foreground=recipe["foreground"], fill=patch.fill)
    drawn = augmentation.sample(len(images), rng, recipe["augmentation"])
    return augmentation.apply(images, labels, drawn, patch.size, classes=patch.classes, fill=patch.fill)


def _step(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, optimiser: torch.optim.Optimizer) -> float:
    """Do one step and return the loss."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=uses_bfloat16(images.device)):
        outputs = network(images)
    loss = segmentation_loss(outputs, labels)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 5.0)
    optimiser.step()
    return float(loss.detach())
