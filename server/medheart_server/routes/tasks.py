"""The reading tasks."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from medheart_models.tasks import load_task, task_ids

__all__ = ["router"]

router = APIRouter(tags=["tasks"])


@router.get("/tasks")
def list_tasks() -> dict[str, Any]:
    """List the tasks: what they read, their status and card."""
    return {"tasks": [_describe(task_id) for task_id in task_ids()]}


def _describe(task_id: str) -> dict[str, Any]:
    names = ("id", "version", "titles", "kind", "status", "modality", "body_parts", "anatomy", "inputs", "card")
    data = asdict(load_task(task_id))
    return {name: data[name] for name in names}
