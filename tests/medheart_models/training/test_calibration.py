from __future__ import annotations

import numpy as np
import pytest

from medheart import Geometry, Volume
from medheart_models.tasks import load_task

torch = pytest.importorskip("torch")

from medheart_models.training.calibration import add_background_bias, best_background_bias  # noqa: E402
from medheart_models.training.evaluation import TorchNetwork  # noqa: E402


class Brightness(torch.nn.Module):
    """Scores class 1 by the normalised intensity, class 2 never, background 0."""

    def __init__(self) -> None:
        super().__init__()
        self.last = torch.nn.Conv3d(1, 3, 1)
        with torch.no_grad():
            self.last.weight.copy_(torch.tensor([0.0, 10.0, 0.0]).view(3, 1, 1, 1, 1))
            self.last.bias.copy_(torch.tensor([0.0, 0.0, -100.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(x)


def case() -> tuple[list[Volume], np.ndarray]:
    array = np.random.default_rng(0).normal(100, 1, (24, 24, 24)).astype(np.float32)
    labels = np.zeros(array.shape, np.uint8)
    labels[4:16, 4:16, 4:16] = 1
    array[labels == 1] += 60
    array[18:22] += 22  # a little brighter than the rest, and not part of the target
    return [Volume(array, Geometry.from_parts(shape=array.shape, spacing=(1, 1, 1)), "MR")], labels


def test_the_bias_that_separates_best_is_chosen_and_kept_in_the_weights() -> None:
    task, network = load_task("hippocampus"), Brightness()
    bias = best_background_bias(TorchNetwork(network), task, [case()])
    assert bias > 0
    add_background_bias(network, bias)
    assert best_background_bias(TorchNetwork(network), task, [case()]) == 0
    assert network.last.bias.tolist() == [bias, 0.0, -100.0]
