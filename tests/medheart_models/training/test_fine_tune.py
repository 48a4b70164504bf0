from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, load_model, save_model  # noqa: E402

from medheart import Geometry, Volume  # noqa: E402
from medheart.errors import ModelError  # noqa: E402
from medheart.schema import load_schema  # noqa: E402
from medheart.task import Task, Weights  # noqa: E402
from medheart.volume import LabelMap  # noqa: E402
from medheart_io import read_image, read_labels, write_labels, write_volume  # noqa: E402
from medheart_models.cropping import cropped_geometry  # noqa: E402
from medheart_models.networks import build_network  # noqa: E402
from medheart_models.tasks import load_task  # noqa: E402
from medheart_models.training.calibration import add_background_bias  # noqa: E402
from medheart_models.training.data import load_split  # noqa: E402
from medheart_models.training.fine_tune import (  # noqa: E402
    FineTuning,
    calibration_cases,
    fine_tune,
    tuning_settings,
)
from medheart_models.training.progress import ProgressReader  # noqa: E402
from medheart_models.training.recipe import load_recipe, training_phases  # noqa: E402

RECIPE = {**training_phases(load_recipe("hippocampus"))[-1], "margin": 0}
RECIPE.pop("closing")
BOX = (slice(4, 28), slice(12, 36), slice(4, 28))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """The hippocampus task with a network of two small levels."""
    task = load_task("hippocampus")
    network = {**task.network, "features": [8, 16]}
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_model(build_network(network), str(path))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    inference = {**task.inference, "patch": [24, 24, 24]}
    return replace(task, network=network, inference=inference, weights=Weights(str(path), sha256, "", "tests"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, test_data: Callable[[str], Path]) -> Path:
    """Crops of four real cases, the last one held out."""
    folder, source, schema = tmp_path_factory.mktemp("data"), test_data("mr/hippocampus"), load_schema("hippocampus")
    cases = []
    for n, name in enumerate(load_split("hippocampus").training[:4]):
        image = read_image(source / "images" / f"{name}.nii.gz")
        labels = read_labels(source / "labels" / f"{name}.nii.gz", schema, like=image.geometry)
        grid = cropped_geometry(image.geometry, BOX)
        write_volume(folder / f"{n}-0.nii", Volume(image.array[BOX], grid, "MR"))
        write_labels(folder / f"{n}.nii", LabelMap(labels.array[BOX], grid, schema))
        side = "held_out" if n == 3 else "training"
        known = {"version": f"v{n}", "image": name, "study": name, "side": side, "from_model": n != 1}
        cases.append({**known, "inputs": [f"{n}-0.nii"], "labels": f"{n}.nii"})
    listed = {"asked": {"author": "reader"}, "hold_out": {"share": 0.2}, "left_out": [], "cases": cases}
    (folder / "cases.json").write_text(json.dumps(listed))
    return folder


@pytest.fixture(scope="module")
def trained(tiny: Task, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:
    output = tmp_path_factory.mktemp("run")
    asked = FineTuning(epochs=12, batch=1, pretrained=False)
    result = fine_tune(
        tiny,
        {**RECIPE, "average_decay": 0.0, "learning_rate": 4e-3},
        asked,
        data=data,
        output=output,
        progress=output / "progress.jsonl",
    )
    return result, output


def test_training_makes_the_network_better_on_a_case_it_did_not_see(trained: tuple[dict, Path]) -> None:
    result, _ = trained
    before, after = result["dice"]["before"], result["dice"]["after"]
    assert set(before["cases"]) == set(after["cases"]) == {"v3"}
    assert sum(after["mean"].values()) > sum(before["mean"].values()) + 0.4


def test_the_result_says_where_each_version_stood_and_what_was_asked(trained: tuple[dict, Path], tiny: Task) -> None:
    result, output = trained
    assert json.loads((output / "hippocampus.json").read_text()) == result
    sides = {case["version"]: case["side"] for case in result["cases"]}
    assert sides == {"v0": "training", "v1": "training", "v2": "training", "v3": "held_out"}
    assert result["status"] == "candidate"
    assert result["asked"] == {"author": "reader"}
    assert result["start"] is None
    assert result["hold_out"] == {"share": 0.2, "from_model": 1}
    assert [case["from_model"] for case in result["cases"]] == [True, False, True, True]
    assert (result["background_bias"], result["calibrated_on"]) == (0.0, []), "this recipe does not calibrate"
    weights = output / result["weights"]["file"]
    assert result["weights"]["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest() != tiny.weights.sha256
    assert sorted(path.name for path in output.iterdir()) == [
        "hippocampus.json",
        "hippocampus.safetensors",
        "progress.jsonl",
    ]


def test_the_progress_counts_epochs_and_ends_with_what_was_found(trained: tuple[dict, Path]) -> None:
    result, output = trained
    reader = ProgressReader(output / "progress.jsonl")
    reader.read()
    assert (reader.latest.epochs_done, reader.latest.epochs, reader.latest.stage) == (12, 12, "after")
    assert reader.latest.dice == result["dice"]["after"]["mean"]
    assert reader.latest.best_epoch > 0
    assert any(line.startswith("epoch 12/12  loss") for line in reader.lines)


def test_it_goes_on_from_the_present_weights_and_leaves_them(tiny: Task, data: Path, tmp_path: Path) -> None:
    asked = FineTuning(epochs=1, batch=1)
    result = fine_tune(tiny, {**RECIPE, "learning_rate": 1e-12}, asked, data=data, output=tmp_path)
    assert result["start"] == {"origin": "hippocampus@1", "sha256": tiny.weights.sha256}
    assert result["dice"]["before"] == result["dice"]["after"]
    old, new = load_file(tiny.weights.file), load_file(str(tmp_path / "hippocampus.safetensors"))
    assert all(torch.allclose(old[name], new[name], atol=1e-6) for name in old)
    assert hashlib.sha256(Path(tiny.weights.file).read_bytes()).hexdigest() == tiny.weights.sha256


def test_where_the_recipe_calibrates_a_part_is_left_out_for_it(tiny: Task, data: Path, tmp_path: Path) -> None:
    """A network that marks every voxel learns nothing here: only the calibration makes it mark less."""
    recipe = {**RECIPE, "learning_rate": 1e-12, "calibration_phantoms": [1]}
    network = build_network(tiny.network)
    load_model(network, tiny.weights.file)
    add_background_bias(network, -3.0)
    eager = tmp_path / "eager.safetensors"
    save_model(network, str(eager))
    task = replace(tiny, weights=Weights(str(eager), hashlib.sha256(eager.read_bytes()).hexdigest(), "", "tests"))
    result = fine_tune(task, recipe, FineTuning(epochs=1, batch=1), data=data, output=tmp_path / "run")
    (left_out,) = result["calibrated_on"]
    assert {case["version"]: case["side"] for case in result["cases"]}[left_out] == "training"
    assert result["background_bias"] > 0
    old, new = load_file(str(eager)), load_file(str(tmp_path / "run" / "hippocampus.safetensors"))
    changed = [name for name in old if not torch.allclose(old[name], new[name], atol=1e-6)]
    assert changed == ["decoder.seg_layers.0.bias"]
    assert result["dice"]["before"] != result["dice"]["after"]


def test_whole_studies_are_left_out_to_calibrate_on() -> None:
    items = [{"version": f"v{n}", "study": f"s{n % 10}"} for n in range(20)]
    chosen = calibration_cases(items)
    assert len(chosen) == 4
    assert len({item["study"] for item in chosen}) == 2
    assert {item["version"] for item in calibration_cases(items[::-1])} == {item["version"] for item in chosen}
    assert len(calibration_cases(items[:2])) == 1
    assert calibration_cases(items[:1]) == []
    assert len(calibration_cases([{"study": f"s{n}"} for n in range(1000)])) == 8


def test_the_prepared_cases_lie_on_disk(tiny: Task, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medheart_models.training import fine_tune as module

    items = [item for item in json.loads((data / "cases.json").read_text())["cases"] if item["side"] == "training"]
    with module._prepared(items, data, tiny) as cases:
        for item, case in zip(items, cases, strict=True):
            expected = module._training_case(item, data, tiny)
            for array, known in ((case.image, expected.image), (case.labels, expected.labels)):
                assert (array.dtype, array.shape) == (known.dtype, known.shape)
                assert np.array_equal(array, known)
                assert isinstance(array, np.memmap)
    assert not list(data.glob("prepared-*"))


def test_a_training_that_diverges_keeps_nothing(tiny: Task, data: Path, tmp_path: Path) -> None:
    recipe = {**RECIPE, "learning_rate": float("inf")}
    with pytest.raises(ModelError, match="diverged: its loss is nan"):
        fine_tune(tiny, recipe, FineTuning(epochs=2, batch=1), data=data, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_weights_of_another_network_are_refused(tiny: Task, data: Path, tmp_path: Path) -> None:
    other = replace(tiny, network={**tiny.network, "features": [8, 24]})
    with pytest.raises(ModelError, match="not the weights of the network"):
        fine_tune(other, RECIPE, FineTuning(epochs=1), data=data, output=tmp_path)


def test_settings_are_those_of_the_last_phase_with_a_tenth_of_the_rate() -> None:
    recipe = {"learning_rate": 2e-3, "batch": 4, "windows_per_case": 1, "epochs": 100, "seed": 1, "augmentation": {}}
    tuned = tuning_settings(recipe, FineTuning(epochs=5), cases=8)
    assert (tuned["learning_rate"], tuned["batch"], tuned["epochs"]) == (pytest.approx(2e-4), 4, 5)
    assert tuning_settings(recipe, FineTuning(epochs=5, pretrained=False), cases=8)["learning_rate"] == 2e-3
    assert tuning_settings(recipe, FineTuning(epochs=5), cases=3)["batch"] == 3
    assert tuning_settings(recipe, FineTuning(epochs=5, batch=2), cases=8)["batch"] == 2
    closed = {**recipe, "closing": {"learning_rate": 1e-3, "augmentation": {"a": 1}}}
    assert tuning_settings(closed, FineTuning(epochs=5), cases=8)["learning_rate"] == pytest.approx(1e-4)


def test_values_of_the_schema_become_class_indices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema's values need not be 1..N: class n is its n-th label."""
    from medheart_models.training import fine_tune as module

    known = load_schema("hippocampus")
    labels = (replace(known.labels[0], value=5), replace(known.labels[1], value=9))
    schema = replace(known, labels=labels)
    monkeypatch.setattr(module, "load_schema", lambda _id: schema)
    image = Volume(np.zeros((4, 4, 4), np.int16), Geometry.from_parts(shape=(4, 4, 4), spacing=(1, 1, 1)), "MR")
    array = np.zeros((4, 4, 4), np.uint8)
    array[0], array[1] = 5, 9
    write_volume(tmp_path / "0-0.nii", image)
    write_labels(tmp_path / "0.nii", LabelMap(array, image.geometry, schema))
    item = {"version": "v", "inputs": ["0-0.nii"], "labels": "0.nii"}
    _, _, classes = module._read(item, tmp_path, load_task("hippocampus"))
    assert [int(part.max()) for part in classes] == [1, 2, 0, 0]
