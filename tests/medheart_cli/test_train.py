from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medheart.geometry import Geometry
from medheart.records import Series, Study
from medheart.schema import load_schema
from medheart.settings import Settings
from medheart.volume import LabelMap, Volume
from medheart_cli.verbs import train as verb
from medheart_io import read_image, read_labels
from medheart_labeling.notes import Notes
from medheart_models.training.progress import TrainingProgress
from medheart_models.training.selection import side_of
from medheart_store import Store


def add(store: Store, patient: str, volume: Volume, labels: LabelMap) -> str:
    record = Series(patient, patient, "MR", "", "", volume.digest, volume.geometry.to_dict())
    store.add_study(Study(patient, patient, "", ""))
    store.add_series(record, volume)
    return store.add_version(labels, image=patient, author="reader", origin="manual").id


def test_too_few_labels_are_one_clear_line(medheart) -> None:
    done = medheart("train", "hippocampus", "--epochs", "1")
    assert done.code == 1
    assert "0 to train on and 0 held out" in done.err
    assert "at least 3 and 1" in done.err
    assert len(done.err.splitlines()) == 1


def test_what_was_deleted_on_the_label_server_does_not_count(medheart) -> None:
    settings, schema = Settings.load(), load_schema("hippocampus")
    grid = Geometry.from_parts(shape=(4, 4, 4), spacing=(1, 1, 1))
    labels = LabelMap(np.ones(grid.shape, np.uint8), grid, schema)
    with Store.open(settings.store_dir) as store:
        first, _ = (add(store, f"P-{n}", Volume(np.full(grid.shape, n, np.int16), grid, "MR"), labels) for n in (2, 3))
    assert "2 to train on" in medheart("train", "hippocampus").err
    notes = Notes(settings.home / "labeling" / "notes.sqlite")
    notes.hide(first)
    notes.close()
    assert "1 to train on" in medheart("train", "hippocampus").err


def test_options_that_do_not_go_together_are_a_usage_error(medheart, tmp_path: Path) -> None:
    assert medheart("train", "hippocampus", "--data", tmp_path, "--val-split", "0.3").code == 2
    assert medheart("train", "hippocampus", "--val-split", "1.5").code == 2
    assert medheart("train", "hippocampus", "--epochs", "0").code == 2
    assert medheart("train", "no-such-task").code == 1


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (TrainingProgress("reading"), "reading the cases"),
        (TrainingProgress("before"), "scoring the present weights"),
        (TrainingProgress("training", 2, 5, 0.3, -0.871, {"a": 0.9, "b": None}), "epoch 2/5, loss -0.871, Dice 0.900"),
        (TrainingProgress("training", 1, 5), "epoch 1/5, loss -, Dice -"),
        (TrainingProgress("after", 5, 5, 1.0), "scoring"),
    ],
)
def test_every_stage_is_told_in_words(medheart, now: TrainingProgress, words: str) -> None:
    assert verb._describe(now) == words


@pytest.mark.slow
def test_a_candidate_is_shown_before_and_after(medheart, test_data: Callable[[str], Path], monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    folder, schema, settings = test_data("mr/hippocampus"), load_schema("hippocampus"), Settings.load()
    sides: dict[str, list[str]] = {"training": [], "held_out": []}
    for n in range(40):
        sides[side_of(f"P-{n}", 0.2)].append(f"P-{n}")
    patients = [*sides["training"][:3], sides["held_out"][0]]
    with Store.open(settings.store_dir) as store:
        for path, patient in zip(sorted((folder / "labels").iterdir()), patients, strict=False):
            volume = read_image(folder / "images" / path.name)
            add(store, patient, volume, read_labels(path, schema, like=volume.geometry))
    done = medheart("train", "hippocampus", "--epochs", "1")
    assert done.code == 0, done.err
    assert "Dice before" in done.out
    assert "hippocampus_posterior" in done.out
    assert "3 cases to train on, 1 held out" in done.err
    assert len(list(settings.home.glob("training/hippocampus/*/hippocampus.safetensors"))) == 1
