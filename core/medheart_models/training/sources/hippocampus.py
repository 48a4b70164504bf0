"""Real cases of the hippocampus: `<data>/mr/hippocampus/{images,labels}/<case>.nii.gz`, split by case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medheart.task import Task
from medheart_io import read_image
from medheart_models.training.calibration import LabelledVolumes
from medheart_models.training.data import Case, load_case, load_split
from medheart_models.training.evaluation import mean_scores, predictor, score_case
from medheart_runtime import Network

__all__ = ["TaskSource"]


class TaskSource:
    """See `medheart_models.training.sources.Source`."""

    def __init__(self, task: Task, data: Path, _recipe: dict[str, Any]) -> None:
        self.task = task
        self.folder = data / "mr" / "hippocampus"
        self.split = load_split(task.id)

    def image(self, name: str) -> Path:
        """Return the image file of a case."""
        return self.folder / "images" / f"{name}.nii.gz"

    def labels(self, name: str) -> Path:
        """Return the label file of a case."""
        return self.folder / "labels" / f"{name}.nii.gz"

    def training_cases(self) -> list[Case]:
        """Return the cases of the split's training part."""
        return [load_case(name, [self.image(name)], self.labels(name), self.task) for name in self.split.training]

    def calibration_cases(self) -> list[LabelledVolumes]:
        """Return none: the scores are taken as they are."""
        return []

    def evaluate(self, network: Network, *, limit: int | None = None) -> dict[str, Any]:
        """Return Dice per label of the held-out cases."""
        predict = predictor(network, self.task)
        scores = {}
        for name in self.split.held_out[:limit]:
            found = predict([read_image(self.image(name))])
            scores[name] = score_case(found, read_image(self.labels(name)).array, self.task)
        return {"mean": mean_scores(scores), "cases": scores}
