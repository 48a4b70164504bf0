from __future__ import annotations

import pytest
from MedHeartLib.Tasks import serverTasks

from medheart.errors import MedHeartError
from medheart.schema import load_schema

OURS = {
    "models": {
        "brain-tumour": {
            "type": "segmentation",
            "labels": {label.name: label.value for label in load_schema("brain-tumour").labels},
            "description": "Brain tumour",
            "status": "research",
            "modality": "MR",
            "inputs": ["flair", "t1c"],
        }
    }
}


def test_a_task_of_ours_has_our_schema_inputs_and_status() -> None:
    (task,) = serverTasks(OURS)
    assert (task.id, task.title, task.inputs, task.modality) == ("brain-tumour", "Brain tumour", ("flair", "t1c"), "MR")
    assert task.isResearch
    assert task.isOurs
    assert task.schema is load_schema("brain-tumour")


def test_a_schema_that_the_server_names_is_taken_only_if_its_values_agree() -> None:
    model = {**OURS["models"]["brain-tumour"], "schema": "hippocampus"}
    (task,) = serverTasks({"models": {"x": model}})
    assert not task.isOurs


def test_a_stock_server_gets_a_schema_with_its_own_values_and_distinct_colours() -> None:
    info = {
        "models": {
            "spleen": {"type": "segmentation", "labels": ["spleen"], "description": "Spleen"},
            "organs": {"type": "segmentation", "labels": {"background": 0, "right lung": 7, "肝": 3}},
            "deepedit": {"type": "deepedit", "labels": ["spleen"]},
        }
    }
    spleen, organs = serverTasks(info)
    assert [(label.value, label.name) for label in spleen.schema.labels] == [(1, "spleen")]
    assert [(label.value, label.name, label.display_name()) for label in organs.schema.labels] == [
        (7, "right_lung", "right lung"),
        (3, "label_3", "肝"),
    ]
    assert len({label.color for label in organs.schema.labels}) == 2
    assert (organs.title, organs.inputs, organs.isResearch, organs.isOurs) == ("organs", ("image",), False, False)


def test_labels_whose_names_differ_in_signs_only_are_kept_apart() -> None:
    info = {"models": {"organs": {"type": "segmentation", "labels": ["left kidney", "left_kidney", "left-kidney"]}}}
    (organs,) = serverTasks(info)
    assert [label.name for label in organs.schema.labels] == ["left_kidney", "label_2", "left-kidney"]


def test_another_kind_of_server_is_named_as_such() -> None:
    with pytest.raises(MedHeartError, match="not a MONAI Label server"):
        serverTasks({"name": "something"})
