from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from medheart.errors import ModelError, TaskError
from medheart.schema import load_schema
from medheart_models.tasks import load_task, task_ids, weights_path

IDS = ["brain-tumour", "hippocampus", "lung-nodule"]


def test_the_three_tasks_are_there() -> None:
    assert task_ids() == IDS


@pytest.mark.parametrize("task_id", IDS)
class TestEachTask:
    def test_is_complete(self, task_id: str) -> None:
        task = load_task(task_id)
        assert task.id == task_id
        assert {item.modality for item in task.inputs} == {task.modality}
        assert task.network["input_channels"] == len(task.inputs)
        assert task.network["classes"] == len(load_schema(task.schema_id).labels) + 1
        assert all(low < high for low, high in zip(*vars(task.field_of_view).values(), strict=True))

    def test_has_texts_in_both_languages(self, task_id: str) -> None:
        task = load_task(task_id)
        card = task.card
        for texts in (task.titles, task.anatomy, card.summary, card.trained_on, card.evaluated_on, card.limits):
            assert set(texts) == {"en", "zh"}
            assert all(texts.values())

    def test_names_its_weights_and_they_are_those(self, task_id: str) -> None:
        path = weights_path(load_task(task_id))
        assert path.stat().st_size < 8_000_000

    def test_the_card_says_what_the_weights_score(self, task_id: str) -> None:
        assert load_task(task_id).card.scores


def test_tasks_whose_weights_saw_no_real_target_are_research() -> None:
    assert {task_id: load_task(task_id).status for task_id in IDS} == {
        "brain-tumour": "research",
        "hippocampus": "candidate",
        "lung-nodule": "research",
    }


def test_an_unknown_task_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TaskError, match=r"no task 'liver'.*hippocampus"):
        load_task("liver")


def test_damaged_or_missing_weights_are_refused() -> None:
    task = load_task("hippocampus")
    with pytest.raises(ModelError, match="SHA-256"):
        weights_path(replace(task, weights=replace(task.weights, sha256="0" * 64)))
    with pytest.raises(ModelError, match="missing"):
        weights_path(replace(task, weights=replace(task.weights, file="nothing.safetensors")))


def test_tasks_and_preprocessing_need_neither_torch_nor_monai() -> None:
    code = (
        "import sys, medheart_models.tasks as t, medheart_models.preprocessing, medheart_models.postprocessing;"
        "[t.load_task(n) for n in t.task_ids()];"
        "assert not {'torch', 'monai', 'openvino'} & set(sys.modules)"
    )
    core = Path(__file__).resolve().parents[2] / "core"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(core)}, timeout=120)
