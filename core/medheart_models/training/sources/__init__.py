"""Where the cases of a task come from, and how its network is scored: one module per task."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from medheart.errors import MedHeartError
from medheart.task import Task
from medheart_models.training.calibration import LabelledVolumes
from medheart_models.training.data import Case
from medheart_runtime import Network

__all__ = ["Source", "load_source"]

_SOURCES = {
    "hippocampus": "medheart_models.training.sources.hippocampus",
    "lung-nodule": "medheart_models.training.sources.lung_nodule",
    "brain-tumour": "medheart_models.training.sources.brain_tumour",
}


class Source(Protocol):
    """Cases of a task and its evaluation; the module holds it under the name `TaskSource`."""

    def training_cases(self) -> list[Case]:
        """Return the prepared cases to train on."""

    def calibration_cases(self) -> list[LabelledVolumes]:
        """Return the cases on which the background's score is calibrated; none for no calibration."""

    def evaluate(self, network: Network, *, limit: int | None = None) -> dict[str, Any]:
        """Score a network on held-out cases, on their own grids.

        Returns at least `{"mean": {name: Dice}, "cases": {case: {name: Dice}}}`; `limit` takes only
        the first cases, for a quick look during training.
        """


def load_source(task: Task, data: Path, recipe: dict[str, Any]) -> Source:
    """Return the data source that a recipe names; raises MedHeartError naming those there are."""
    if recipe.get("data") not in _SOURCES:
        raise MedHeartError(f"a recipe must name a data source of {sorted(_SOURCES)}, got {recipe.get('data')!r}")
    source: Source = import_module(_SOURCES[recipe["data"]]).TaskSource(task, data, recipe)
    return source
