"""The reading tasks that ship with MedHeart: one TOML file each, readable without torch."""

from __future__ import annotations

import hashlib
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from medheart.errors import ModelError, TaskError
from medheart.task import FieldOfView, ModelCard, Task, TaskInput, Weights

__all__ = ["load_task", "task_ids", "weights_path"]

_FOLDER = Path(str(resources.files("medheart_models")))


def task_ids() -> list[str]:
    """Return the ids of the tasks that ship with MedHeart, sorted."""
    return sorted(path.stem for path in (_FOLDER / "tasks").glob("*.toml"))


@cache
def load_task(task_id: str) -> Task:
    """Return a task; raises TaskError naming those there are."""
    if task_id not in task_ids():
        raise TaskError(f"no task {task_id!r}; there are {task_ids()}", tasks=task_ids())
    path = _FOLDER / "tasks" / f"{task_id}.toml"
    try:
        return _from_dict(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise TaskError(f"{path}: not a task: {type(error).__name__} {error}") from error


def weights_path(task: Task) -> Path:
    """Return the weights file of a task after checking its SHA-256.

    Raises
    ------
    ModelError
        If the file is missing or its digest is not the task's.
    """
    path = _FOLDER / "weights" / task.weights.file
    if not path.is_file():
        raise ModelError(f"{path}: the weights of task {task.id!r} are missing", code="weights_missing")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != task.weights.sha256:
        raise ModelError(f"{path}: SHA-256 is {digest}, task {task.id!r} names {task.weights.sha256}")
    return path


def _from_dict(data: dict[str, Any]) -> Task:
    view = {key: tuple(float(x) for x in value) for key, value in data["field_of_view"].items()}
    words = ("hints", "excludes")
    inputs = tuple(
        TaskInput(item["role"], item["modality"], **{name: tuple(item.get(name, ())) for name in words})
        for item in data["inputs"]
    )
    sections = ("network", "preprocessing", "inference", "postprocessing")
    return Task(
        id=data["id"],
        version=data["version"],
        titles=data["titles"],
        kind=data["kind"],
        status=data["status"],
        modality=data["modality"],
        body_parts=tuple(data["body_parts"]),
        anatomy=data["anatomy"],
        inputs=inputs,
        field_of_view=FieldOfView(**view),  # type: ignore[arg-type]
        max_slice_thickness_mm=float(data["max_slice_thickness_mm"]),
        schema_id=data["schema"],
        weights=Weights(**data["weights"]),
        card=ModelCard(**data["card"]),
        **{name: data[name] for name in sections},
        fit=data.get("fit", {}),
    )
