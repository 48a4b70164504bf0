from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from MedHeartLib.Parameters import Parameters, missingInput


def node(name: str) -> Any:
    return SimpleNamespace(GetID=lambda: name)


@pytest.mark.parametrize(
    ("changes", "connected", "inputs", "word"),
    [
        ({}, False, 1, "Connect"),
        ({"task": ""}, True, 1, "task"),
        ({}, True, 1, "volume"),
        ({"firstVolume": node("a")}, True, 2, "volume"),
        ({"firstVolume": node("a"), "secondVolume": node("a")}, True, 2, "different"),
        ({"firstVolume": node("a"), "secondVolume": node("b")}, True, 3, "more volumes"),
    ],
)
def test_what_is_missing_is_said(changes: dict[str, Any], connected: bool, inputs: int, word: str) -> None:
    parameters = Parameters(**{"task": "lung-nodule", **changes})
    assert word in (missingInput(parameters, connected=connected, inputs=inputs) or "")


def test_nothing_is_missing_when_all_is_there() -> None:
    parameters = Parameters(task="brain-tumour", firstVolume=node("a"), secondVolume=node("b"))
    assert missingInput(parameters, connected=True, inputs=2) is None
    assert missingInput(parameters, connected=True, inputs=1) is None
