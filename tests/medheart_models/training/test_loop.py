from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from medheart_models.networks import build_network  # noqa: E402
from medheart_models.tasks import load_task  # noqa: E402
from medheart_models.training.data import Case, load_case, load_split  # noqa: E402
from medheart_models.training.loop import Patch, train  # noqa: E402
from medheart_models.training.loss import segmentation_loss  # noqa: E402
from medheart_models.training.train import load_recipe  # noqa: E402


@pytest.fixture(scope="module")
def real_crop(test_data: Callable[[str], Path]) -> Case:
    task = load_task("hippocampus")
    name = load_split("hippocampus").training[0]
    folder = test_data("mr/hippocampus")
    case = load_case(name, [folder / "images" / f"{name}.nii.gz"], folder / "labels" / f"{name}.nii.gz", task)
    return Case(name, case.image[:, 4:28, 8:32, 4:28], case.labels[4:28, 8:32, 4:28])


def tiny_network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network({**load_task("hippocampus").network, "features": [8, 16]})


def run(case: Case, network: torch.nn.Module, epochs: int) -> torch.nn.Module:
    recipe = {**load_recipe("hippocampus"), "batch": 1, "margin": 0, "learning_rate": 5e-3, "average_decay": 0.0}
    patch = Patch(case.labels.shape, classes=3, fill=0.0)
    return train(network, [case], recipe, epochs=epochs, patch=patch, seed=1)


def loss_of(network: torch.nn.Module, case: Case) -> float:
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(case.image[None].copy()))
    return float(segmentation_loss(logits, torch.from_numpy(case.labels[None].astype(np.int64))))


def test_two_steps_lower_the_loss_on_a_real_crop(real_crop: Case) -> None:
    network = tiny_network()
    before = loss_of(network, real_crop)
    assert loss_of(run(real_crop, network, epochs=2), real_crop) < before - 0.02


def test_training_twice_from_one_seed_gives_the_same_weights(real_crop: Case) -> None:
    first, second = (run(real_crop, tiny_network(), epochs=2) for _ in range(2))
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
