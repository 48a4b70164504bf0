"""Scoring a task on labelled cases: the shipped weights, run as users run them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medheart.errors import ImageRejected
from medheart.overlap import dice
from medheart.schema import load_schema
from medheart.task import Task
from medheart.volume import LabelMap
from medheart_io import read_image, read_labels
from medheart_models.tasks import load_task
from medheart_work.batch import stem
from medheart_work.segmenting import Engine

__all__ = ["CaseScore", "evaluate", "evaluate_folders", "labelled_cases", "mean_dice"]


@dataclass(frozen=True)
class CaseScore:
    """Dice overlap of each label of one case; None where neither truth nor result has the label."""

    case: str
    dice: dict[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable dict."""
        return asdict(self)


def labelled_cases(images: Sequence[Path], labels: Path) -> list[tuple[str, list[Path], Path]]:
    """Return name, images and label of every case.

    Parameters
    ----------
    images : sequence of pathlib.Path
        One folder for each input of the task, in its order; files of one name (without ending) are a case.
    labels : pathlib.Path
        Folder of label files with the same names.

    Raises
    ------
    ImageRejected
        If a folder has no file of that name, or there is no case at all.
    """
    truth = _by_stem(labels)
    inputs = [_by_stem(folder) for folder in images]
    cases = []
    for name, label in truth.items():
        absent = [folder for folder, files in zip(images, inputs, strict=True) if name not in files]
        if absent:
            raise ImageRejected(f"{absent[0]}: no image named {name!r}, of which there is a label", code="not_there")
        cases.append((name, [files[name] for files in inputs], label))
    if not cases:
        raise ImageRejected(f"{labels}: no label file", code="no_image", path=str(labels))
    return cases


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise ImageRejected(f"{folder}: there is no such folder", code="not_there", path=str(folder))
    return {stem(path): path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")}


def evaluate(
    engine: Engine,
    task: Task,
    cases: Sequence[tuple[str, list[Path], Path]],
    *,
    progress: Callable[[str, int, int], None] = lambda _name, _done, _total: None,
) -> Iterator[CaseScore]:
    """Segment each case and compare with its label on the image's own grid.

    Raises
    ------
    ImageRejected, TaskError, SchemaError, GeometryError
        If a case cannot be used; evaluation stops, because a mean over the rest would mislead.
    """
    schema = load_schema(task.schema_id)
    for n, (name, images, label) in enumerate(cases):
        progress(name, n, len(cases))
        volumes = [read_image(path) for path in images]
        truth = read_labels(label, schema, like=volumes[0].geometry)
        found = engine.segment(volumes, task, progress=None, cancelled=None).labels
        yield CaseScore(name, {one.name: _dice(found, truth, one.value) for one in schema.labels})


def _dice(found: LabelMap, truth: LabelMap, value: int) -> float | None:
    if value not in found.counts and value not in truth.counts:
        return None
    return dice(found.mask(value), truth.mask(value))


def mean_dice(scores: Sequence[CaseScore]) -> dict[str, float | None]:
    """Return the mean of each label over the cases that have it; None where none has."""
    names = dict.fromkeys(name for score in scores for name in score.dice)
    known = {name: [value for score in scores if (value := score.dice[name]) is not None] for name in names}
    return {name: float(np.mean(values)) if values else None for name, values in known.items()}


def evaluate_folders(
    engine: Engine,
    task_id: str,
    images: Sequence[Path],
    labels: Path,
    *,
    progress: Callable[[str, int, int], None] = lambda _name, _done, _total: None,
) -> dict[str, Any]:
    """Score a task on the cases of folders; see `labelled_cases` and `evaluate`.

    Returns
    -------
    dict
        `task`, `status`, `dice` (mean of each label), `cases` (dice of each).
    """
    task = load_task(task_id)
    scores = list(evaluate(engine, task, labelled_cases(images, labels), progress=progress))
    cases = [score.to_dict() for score in scores]
    return {"task": task.origin, "status": task.status, "dice": mean_dice(scores), "cases": cases}
