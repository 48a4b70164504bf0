from __future__ import annotations

import pytest

from medheart.errors import ModelError
from medheart_models.tasks import load_task

torch = pytest.importorskip("torch")

from medheart_models.networks import build_network, parameter_count  # noqa: E402


def test_the_hippocampus_network_has_the_stated_size_and_shapes() -> None:
    task = load_task("hippocampus")
    network = build_network(task.network)
    assert parameter_count(network) == 1_402_297
    image = torch.zeros(1, 1, *task.inference["patch"])
    with torch.no_grad():
        outputs = network.train()(image)
        assert [tuple(o.shape[2:]) for o in outputs] == [(40, 56, 40), (20, 28, 20), (10, 14, 10)]
        assert network.eval()(image).shape == (1, 3, 40, 56, 40)


@pytest.mark.slow
@pytest.mark.parametrize("task_id", ["brain-tumour", "lung-nodule"])
def test_networks_of_monai_are_small_and_keep_the_size(task_id: str) -> None:
    task = load_task(task_id)
    network = build_network(task.network).eval()
    assert parameter_count(network) < 2_000_000
    with torch.no_grad():
        scores = network(torch.zeros(1, task.network["input_channels"], 32, 32, 32))
    assert scores.shape == (1, task.network["classes"], 32, 32, 32)


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ModelError, match="unet-nnunet"):
        build_network({"family": "transformer"})
