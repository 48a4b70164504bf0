"""Where the exported network of a task lies."""

from __future__ import annotations

from pathlib import Path

from medheart.errors import ModelError
from medheart.settings import Settings
from medheart.task import Task

__all__ = ["export_folder", "exported_network"]


def export_folder(task: Task, settings: Settings) -> Path:
    """Return the folder of a task's exported network; new weights have another one."""
    if len(task.weights.sha256) != 64:
        raise ModelError(f"task {task.id!r} names no SHA-256 of its weights", code="weights_missing")
    return settings.exports_dir / task.weights.sha256[:16]


def exported_network(task: Task, settings: Settings) -> Path:
    """Return `model.xml` of a task's exported network.

    Raises
    ------
    ModelError
        If it has not been exported; names the command that does it.
    """
    path = export_folder(task, settings) / "model.xml"
    if not path.is_file():
        raise ModelError(
            f"{path}: the network of task {task.id!r} is not exported yet; "
            "run `python -m medheart_models.training.export`",
            code="export_missing",
        )
    return path
