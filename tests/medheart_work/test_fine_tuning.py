from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medheart.errors import Cancelled, MedHeartError
from medheart.geometry import Geometry
from medheart.records import Series, Study
from medheart.schema import load_schema
from medheart.settings import Settings
from medheart.volume import LabelMap, Volume
from medheart_io import read_image, read_labels
from medheart_models.tasks import load_task, weights_path
from medheart_models.training.selection import check_enough, select_cases, side_of
from medheart_store import Store
from medheart_work import fine_tuning
from medheart_work.fine_tuning import Wish, fine_tune, new_run

WISH = Wish("hippocampus", "reader", epochs=1, batch=1)


def patients(side: str, count: int) -> list[str]:
    """Return pseudonyms that stand on a side."""
    names = (f"P-{n}" for n in range(1000))
    return [name for name in names if side_of(name, 0.2) == side][:count]


def add(store: Store, patient: str, volume: Volume, labels: LabelMap, **options: str) -> str:
    name = f"image-{patient}"
    store.add_study(Study(f"study-{patient}", patient, "", ""))
    store.add_series(Series(name, f"study-{patient}", "MR", "", "", volume.digest, volume.geometry.to_dict()), volume)
    return store.add_version(labels, image=name, author="reader", origin="manual", **options).id  # type: ignore[arg-type]


@pytest.fixture
def labelled(store: Store) -> Callable[..., str]:
    """Add a small labelled image of a patient; returns the version's id."""

    def make(patient: str, **options: str) -> str:
        seed = int(hashlib.sha256(patient.encode()).hexdigest()[:8], 16)
        turn = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, -1.0]])
        grid = Geometry.from_parts(shape=(24, 36, 30), spacing=(1, 1.2, 1.5), origin=(10, -20, 30), direction=turn)
        volume = Volume(np.random.default_rng(seed).integers(0, 500, grid.shape).astype(np.int16), grid, "MR")
        array = np.zeros(grid.shape, np.uint8)
        array[1:3], array[4] = 1, 2
        return add(store, patient, volume, LabelMap(array, grid, load_schema("hippocampus")), **options)

    return make


def test_too_few_labels_are_refused_before_anything_is_written(
    store: Store, settings: Settings, labelled: Callable[..., str]
) -> None:
    labelled("P-2")
    labelled("P-3", state="draft")
    with pytest.raises(MedHeartError, match=r"1 to train on and 0 held out") as caught:
        fine_tune(store, settings, WISH, run=new_run())
    assert caught.value.code == "too_few_cases"
    assert not (settings.home / "training").exists()


def test_the_training_gets_images_and_labels_as_files_and_no_patient(
    store: Store, settings: Settings, labelled: Callable[..., str], tmp_path: Path
) -> None:
    versions = [labelled(patient) for patient in (*patients("training", 3), *patients("held_out", 1))]
    drafts = [labelled(patient, state="draft") for patient in patients("training", 5)[3:]]
    task = load_task("hippocampus")
    cases = select_cases(store, task, share=0.2)
    fine_tuning._hand_over(store, task, cases, tmp_path, wish=WISH, share=0.2, cancelled=lambda: False)
    text = (tmp_path / "cases.json").read_text()
    listed = json.loads(text)
    assert {item["version"] for item in listed["cases"]} == set(versions)
    assert not any(draft in text for draft in drafts)
    assert "patient" not in listed["cases"][0]
    for item in listed["cases"]:
        image = read_image(tmp_path / item["inputs"][0])
        known = store.volume(item["image"])
        assert image.geometry.matches(known.geometry)
        assert np.array_equal(image.array, known.array)
        labels = read_labels(tmp_path / item["labels"], load_schema("hippocampus"), like=image.geometry)
        assert np.array_equal(labels.array, store.labels(item["version"]).array)


def test_a_study_that_lacks_an_input_is_left_out_with_the_reason(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    task = load_task("brain-tumour")
    grid = Geometry.from_parts(shape=(4, 4, 4), spacing=(40, 40, 40))
    for n, patient in enumerate((*patients("training", 4), *patients("held_out", 1))):
        volume = Volume(np.full(grid.shape, n, np.int16), grid, "MR")
        version = add(
            store, patient, volume, LabelMap(np.ones(grid.shape, np.uint8), grid, load_schema(task.schema_id))
        )
        assert store.version(version).schema_id == task.schema_id
    cases = select_cases(store, task, share=0.2)
    check_enough(cases, task, share=0.2)
    with pytest.raises(MedHeartError, match=r"0 to train on and 0 held out.*5 more do not fit the task.*flair"):
        fine_tuning._hand_over(store, task, cases, tmp_path, wish=WISH, share=0.2, cancelled=lambda: False)
    assert not list(tmp_path.glob("*.nii"))


def test_what_the_task_would_not_read_is_not_trained_on(
    store: Store, settings: Settings, labelled: Callable[..., str], tmp_path: Path
) -> None:
    task, schema = load_task("hippocampus"), load_schema("hippocampus")
    trained, held_out = patients("training", 4), patients("held_out", 1)
    for patient in (*trained[:3], *held_out):
        labelled(patient)
    head = Geometry.from_parts(shape=(24, 36, 30), spacing=(6, 6, 2))
    volume = Volume(np.ones(head.shape, np.int16), head, "MR")
    wide = add(store, trained[3], volume, LabelMap(np.ones(head.shape, np.uint8), head, schema))
    cases = select_cases(store, task, share=0.2)
    assert wide in {case.version for case in cases}
    fine_tuning._hand_over(store, task, cases, tmp_path, wish=WISH, share=0.2, cancelled=lambda: False)
    listed = json.loads((tmp_path / "cases.json").read_text())
    assert len(listed["cases"]) == 4
    (left,) = listed["left_out"]
    assert left["version"] == wide
    assert "mm" in left["message"]


def test_a_cancelled_training_leaves_nothing_behind(
    store: Store, settings: Settings, labelled: Callable[..., str]
) -> None:
    for patient in (*patients("training", 3), *patients("held_out", 1)):
        labelled(patient)
    asked = iter([False, False, True])
    with pytest.raises(Cancelled):
        fine_tune(store, settings, WISH, run="run-1", cancelled=lambda: next(asked))
    assert sorted(path.name for path in (settings.home / "training" / "hippocampus").iterdir()) == ["hold-out.json"]


@pytest.mark.slow
def test_a_candidate_of_real_cases_comes_with_scores_and_replaces_nothing(
    store: Store, settings: Settings, test_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDHEART_HOME", str(settings.home))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    schema, folder = load_schema("hippocampus"), test_data("mr/hippocampus")
    files = sorted((folder / "labels").iterdir())[:4]
    versions = []
    for path, patient in zip(files, (*patients("training", 3), *patients("held_out", 1)), strict=True):
        volume = read_image(folder / "images" / path.name)
        volume = Volume(volume.array, volume.geometry, "MR")
        versions.append(add(store, patient, volume, read_labels(path, schema, like=volume.geometry)))
    task = load_task("hippocampus")
    before = weights_path(task).read_bytes()
    seen = []
    result = fine_tune(store, settings, WISH, run="run-1", follow=lambda now, lines: seen.append((now, lines)))
    assert result["cases"] == {"training": 3, "held_out": 1}
    assert set(result["dice"]["after"]) == {label.name for label in schema.labels}
    assert min(result["dice"]["after"].values()) > 0.6
    output = settings.home / "training" / "hippocampus" / "run-1"
    assert not (output / "data").exists()
    kept = json.loads((output / "hippocampus.json").read_text())
    assert {case["version"]: case["side"] for case in kept["cases"]} == dict(
        zip(versions, ["training"] * 3 + ["held_out"], strict=True)
    )
    assert weights_path(load_task("hippocampus")).read_bytes() == before
    assert (output / "hippocampus.safetensors").read_bytes() != before
    last, lines = seen[-1]
    assert (last.epochs_done, last.epochs) == (1, 1)
    assert any("epoch 1/1  loss" in line for line in lines)
