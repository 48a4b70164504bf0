from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from medheart_models.tasks import load_task  # noqa: E402
from medheart_models.training import train as module  # noqa: E402
from medheart_models.training.data import Case  # noqa: E402
from medheart_models.training.progress import ProgressReader  # noqa: E402
from medheart_models.training.recipe import load_recipe  # noqa: E402


class Source:
    """Two random cases, and scores that are told as they are."""

    def training_cases(self) -> list[Case]:
        rng = np.random.default_rng(1)
        shape = (8, 8, 8)
        return [
            Case(f"{n}", rng.normal(size=(1, *shape)).astype(np.float32), rng.integers(0, 3, shape).astype(np.uint8))
            for n in range(2)
        ]

    def calibration_cases(self) -> list[Any]:
        return []

    def evaluate(self, network: Any, *, limit: int | None = None) -> dict[str, Any]:
        return {"mean": {"label": 0.25 if limit else 0.5}, "cases": {}}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hippocampus recipe with a small network, and two phases of few epochs."""
    task, recipe = load_task("hippocampus"), load_recipe("hippocampus")
    network = {**task.network, "features": [4, 8]}
    small = replace(task, network=network, inference={**task.inference, "patch": [8, 8, 8]})
    few = {**recipe, "batch": 1, "margin": 0, "epochs": 2, "look_every": 1}
    few["closing"] = {**recipe["closing"], "epochs": 1, "look_every": 1}
    monkeypatch.setattr(module, "load_task", lambda _id: small)
    monkeypatch.setattr(module, "load_recipe", lambda _id: few)
    monkeypatch.setattr(module, "load_source", lambda *_: Source())


def test_a_recipe_tells_its_progress_over_all_phases_and_trains_the_same(small: None, tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    module.train_task("hippocampus", data=tmp_path, output=tmp_path / "told", progress=path)
    module.train_task("hippocampus", data=tmp_path, output=tmp_path / "silent")
    told, silent = (load_file(str(tmp_path / name / "hippocampus.safetensors")) for name in ("told", "silent"))
    assert all(torch.equal(told[name], silent[name]) for name in silent)
    reader = ProgressReader(path)
    reader.read()
    assert (reader.latest.epochs_done, reader.latest.epochs, reader.latest.stage) == (3, 3, "after")
    epochs = [line.split("  loss")[0] for line in reader.lines if "loss" in line]
    assert epochs == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert "epoch 3/3  Dice label 0.250" in reader.lines


def test_the_result_names_its_weights_by_their_digest(small: None, tmp_path: Path) -> None:
    result = module.train_task("hippocampus", data=tmp_path, output=tmp_path)
    weights = tmp_path / "hippocampus.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert result["weights"] == {"file": weights.name, "sha256": digest}
    assert json.loads((tmp_path / "hippocampus.json").read_text()) == result
