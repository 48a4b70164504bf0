"""The reading tasks as plain data, for people and machines."""

from __future__ import annotations

from typing import Any

from medheart_models.tasks import load_task, task_ids

__all__ = ["describe_task", "describe_tasks"]


def describe_tasks() -> list[dict[str, Any]]:
    """Return all tasks that ship, as `describe_task` does, by id."""
    return [describe_task(task_id) for task_id in task_ids()]


def describe_task(task_id: str) -> dict[str, Any]:
    """Return a task as JSON-serialisable data: what it reads, its labels, its card; raises TaskError."""
    return load_task(task_id).describe()
