from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medheart import Geometry, Volume
from medheart.errors import MedHeartError
from medheart.phantom import lung_mask
from medheart_io import read_image
from medheart_models.tasks import load_task, task_ids

torch = pytest.importorskip("torch")

from medheart_models.training.sources import load_source  # noqa: E402
from medheart_models.training.sources.brain_tumour import t1_from_flair  # noqa: E402
from medheart_models.training.sources.lung_nodule import healthy_chest, real_nodule, score_lidc  # noqa: E402
from medheart_models.training.train import load_recipe, training_phases  # noqa: E402


@pytest.mark.parametrize("task_id", task_ids())
def test_every_task_has_a_recipe_and_a_source(task_id: str, tmp_path: Path) -> None:
    source = load_source(load_task(task_id), tmp_path, load_recipe(task_id))
    assert callable(source.training_cases)


@pytest.mark.parametrize("task_id", ["brain-tumour", "lung-nodule"])
def test_phantoms_are_held_out_by_seed(task_id: str) -> None:
    recipe = load_recipe(task_id)
    seeds = [*recipe["phantoms"], *recipe.get("calibration_phantoms", []), *recipe["held_out_phantoms"]]
    assert len(set(seeds)) == len(seeds)


def test_an_unknown_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MedHeartError, match=r"hippocampus.*'liver'"):
        load_source(load_task("hippocampus"), tmp_path, {"data": "liver"})


def test_a_closing_phase_changes_only_what_it_names() -> None:
    recipe = {"epochs": 9, "seed": 1, "batch": 2, "augmentation": {"a": 1, "b": 2}}
    assert training_phases(recipe) == [recipe]
    recipe["closing"] = {"epochs": 3, "augmentation": {"b": 0}}
    first, second = training_phases(recipe, epochs=5)
    assert first["epochs"] == 5
    assert (second["epochs"], second["batch"], second["augmentation"]) == (3, 2, {"a": 1, "b": 0})


def test_the_mirrored_chest_holds_two_equal_lungs_and_no_tumour(test_data: Callable[[str], Path]) -> None:
    folder = test_data("ct/lung")
    chest = healthy_chest(folder)
    assert np.array_equal(chest.array, chest.array[:, :, ::-1])
    assert lung_mask(chest).sum() * chest.geometry.voxel_volume_mm3 > 2e6
    original = read_image(folder / "4dlung_p113_ct.nii.gz").array
    half = chest.array.shape[2] // 2
    assert any(
        np.array_equal(chest.array[:, :, :half], side)
        for side in (original[:, :, :half], original[:, :, : -half - 1 : -1])
    )


def test_a_detection_at_the_published_place_is_found_and_others_are_counted(test_data: Callable[[str], Path]) -> None:
    folder = test_data("ct/lung")
    image = read_image(folder / "lidc_0314_ct.nii.gz")
    ball = real_nodule(folder, image)
    labels = ball.astype(np.uint8)
    labels[:3, :3, :3] = 1
    result = score_lidc(labels, image.geometry, folder)
    assert result["nodule found"]
    assert result["volume_mm3"] == pytest.approx(ball.sum() * 8, rel=0.01)
    assert result["other components"] == 1
    assert not score_lidc(np.zeros_like(labels), image.geometry, folder)["nodule found"]


def test_a_computed_t1_is_dark_where_fluid_is_and_empty_outside() -> None:
    flair = np.full((4, 8, 8), 1000, np.int16)
    flair[:, :3] = 240
    flair[0] = 0
    grid = Geometry.from_parts(shape=flair.shape, spacing=(1, 1, 1))
    t1 = t1_from_flair(Volume(flair, grid, "MR"), flair > 0, np.random.default_rng(0))
    assert not t1.array[0].any()
    assert t1.array[1:, :3].mean() < 0.5 * t1.array[1:, 3:].mean()
