"""The reading tasks."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from medheart_models.tasks import load_task, task_ids

__all__ = ["router"]

router = APIRouter(tags=["tasks"])


@router.get("/tasks")
def list_tasks() -> dict[str, Any]:
    """List the tasks: what they read, their labels, status and card."""
    return {"tasks": [load_task(task_id).describe() for task_id in task_ids()]}


@router.get("/tasks/{task_id}")
def show_task(task_id: str) -> dict[str, Any]:
    """Return a task."""
    return load_task(task_id).describe()
