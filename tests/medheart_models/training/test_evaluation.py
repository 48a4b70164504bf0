from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medheart.overlap import dice
from medheart.phantom import insert_nodules, lung_mask
from medheart.settings import Settings
from medheart_io import read_image
from medheart_models.predict import Predictor
from medheart_models.tasks import load_task

torch = pytest.importorskip("torch")

from medheart_models.training.data import load_split  # noqa: E402
from medheart_models.training.evaluation import mean_scores, score_case  # noqa: E402
from medheart_models.training.export import export_task  # noqa: E402
from medheart_models.training.sources.lung_nodule import real_nodule  # noqa: E402


def test_held_out_cases_reach_the_floor_through_the_exported_network(
    test_data: Callable[[str], Path], tmp_path: Path
) -> None:
    task, settings = load_task("hippocampus"), Settings(home=tmp_path, device="cpu")
    export_task(task, settings.exports_dir)
    predictor = Predictor(settings)
    scores = {}
    for name in load_split("hippocampus").held_out[:6]:
        image = read_image(test_data(f"mr/hippocampus/images/{name}.nii.gz"))
        truth = read_image(test_data(f"mr/hippocampus/labels/{name}.nii.gz")).array
        scores[name] = score_case(predictor.segment([image], task).labels.array, truth, task)
    mean = mean_scores(scores)
    assert mean["hippocampus_anterior"] > 0.87, scores
    assert mean["hippocampus_posterior"] > 0.85, scores


@pytest.mark.slow
def test_simulated_nodules_in_a_real_chest_are_found(test_data: Callable[[str], Path], tmp_path: Path) -> None:
    task, settings = load_task("lung-nodule"), Settings(home=tmp_path, device="cpu")
    export_task(task, settings.exports_dir)
    chest = read_image(test_data("ct/lung/lidc_0314_ct.nii.gz"))
    with_nodules, truth = insert_nodules(chest, lung_mask(chest), np.random.default_rng(21), 6)
    found = Predictor(settings).segment([with_nodules], task).labels.array == 1
    found &= ~real_nodule(test_data("ct/lung"), chest)
    assert dice(found, truth) > 0.8


@pytest.mark.slow
def test_a_real_glioma_is_found(test_data: Callable[[str], Path], tmp_path: Path) -> None:
    task, settings = load_task("brain-tumour"), Settings(home=tmp_path, device="cpu")
    export_task(task, settings.exports_dir)
    case = "mr/brats2013/brats_2013_pat0005_1"
    images = [read_image(test_data(f"{case}_{role}.nii.gz")) for role in ("flair", "t1c")]
    found = Predictor(settings).segment(images, task).labels.array > 0
    assert dice(found, read_image(test_data(f"{case}_label.nii.gz")).array > 0) > 0.55


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
