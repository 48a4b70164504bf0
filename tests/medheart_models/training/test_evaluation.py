from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medheart.overlap import dice
from medheart.settings import Settings
from medheart_models.tasks import load_task

torch = pytest.importorskip("torch")

from medheart_models.training.data import load_split  # noqa: E402
from medheart_models.training.evaluation import mean_scores, score_case  # noqa: E402
from medheart_models.training.export import export_task  # noqa: E402
from medheart_models.training.recipe import load_recipe  # noqa: E402
from medheart_models.training.score import score_task  # noqa: E402
from medheart_models.training.sources import load_source  # noqa: E402
from medheart_runtime import load_network  # noqa: E402

# Two machines differ in the last bits of a network's scores, and so in a voxel here and there.
HARDLY = 5e-4


def test_hippocampus_keeps_its_promise_and_its_card_on_all_held_out_cases(
    test_data: Callable[[str], Path], tmp_path: Path
) -> None:
    held_out = score_task("hippocampus", data=test_data("MANIFEST.csv").parent, settings=Settings(home=tmp_path))
    assert set(held_out["cases"]) == set(load_split("hippocampus").held_out)
    assert len(held_out["cases"]) == 24
    mean, card = held_out["mean"], load_task("hippocampus").card.scores
    assert mean["hippocampus_anterior"] >= 0.885
    assert mean["hippocampus_posterior"] >= 0.87
    assert mean == pytest.approx(card["dice_mean"], abs=HARDLY)
    lowest = {name: min(case[name] for case in held_out["cases"].values()) for name in mean}
    assert lowest == pytest.approx(card["dice_lowest"], abs=0.01)


def whole_tumour(result: dict[str, Any]) -> float:
    return float(result["real"]["BRATS 2013 pat0005"]["whole tumour"])


def nodules_in_a_real_chest(result: dict[str, Any]) -> float:
    return float(result["cases"]["LIDC-IDRI-0314 with simulated nodules"]["lung_nodule"])


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("task_id", "figure", "floor"),
    [("brain-tumour", whole_tumour, 0.55), ("lung-nodule", nodules_in_a_real_chest, 0.8)],
)
def test_a_research_task_scores_on_real_images_what_its_card_says(
    test_data: Callable[[str], Path],
    tmp_path: Path,
    task_id: str,
    figure: Callable[[dict[str, Any]], float],
    floor: float,
) -> None:
    task, recipe = load_task(task_id), load_recipe(task_id)
    network = load_network(export_task(task, tmp_path), device="cpu")
    one_phantom = {**recipe, "held_out_phantoms": recipe["held_out_phantoms"][:1]}
    result = load_source(task, test_data("MANIFEST.csv").parent, one_phantom).evaluate(network)
    assert figure(result) > floor
    told = {name: task.card.scores[f"real: {name}"] for name in result["real"]}
    for name, found in result["real"].items():
        assert found == pytest.approx(told[name], rel=0.02, abs=0.01), name


def test_scores_are_named_and_averaged() -> None:
    task = load_task("hippocampus")
    truth = np.array([[[0, 1, 1, 2, 2, 2]]], np.uint8)
    found = np.array([[[0, 0, 1, 1, 2, 2]]], np.uint8)
    one = score_case(found, truth, task)
    assert one == {
        "hippocampus_anterior": round(dice(found == 1, truth == 1), 4),
        "hippocampus_posterior": 0.8,
    }
    assert mean_scores({"a": one, "b": dict.fromkeys(one, 1.0)})["hippocampus_posterior"] == 0.9
