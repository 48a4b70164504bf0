"""What the label server offers, in the words of MONAI Label's `/info/`."""

from __future__ import annotations

import locale
import os
from typing import TYPE_CHECKING, Any

from medheart import __version__
from medheart.schema import load_schema
from medheart.settings import Settings
from medheart.task import Task
from medheart_labeling.catalogue import FINAL
from medheart_labeling.scoring import METHODS
from medheart_labeling.strategies import STRATEGIES
from medheart_labeling.texts import text
from medheart_labeling.training import train_config

if TYPE_CHECKING:
    from medheart_labeling.backend import Backend

__all__ = ["NAME", "app_info", "datastore_status", "language_of", "model_info", "tasks", "trainer_info"]

NAME = "MedHeart"


def language_of(settings: Settings) -> str:
    """Return the language to speak: as set, else the system's, else English."""
    said = settings.language or os.environ.get("LANG") or locale.getlocale()[0] or ""
    return "zh" if said.lower().startswith("zh") else "en"


def tasks() -> list[Task]:
    """Return the segmentation tasks that have weights."""
    from medheart_models.tasks import load_task, task_ids

    return [task for task in map(load_task, task_ids()) if task.kind == "segmentation" and task.weights.sha256]


def model_info(task: Task, language: str) -> dict[str, Any]:
    """Return what a client is told of a model; the last five keys are ours, `schema` is the label schema's id."""
    research = f" ({text('research', language)})" if task.status == "research" else ""
    return {
        "type": "segmentation",
        "labels": {label.name: label.value for label in load_schema(task.schema_id).labels},
        "dimension": 3,
        "description": f"{task.title(language)}{research}",
        "config": {},
        "version": task.version,
        "status": task.status,
        "schema": task.schema_id,
        "modality": task.modality,
        "inputs": [item.role for item in task.inputs],
    }


def trainer_info(task: Task, settings: Settings, language: str) -> dict[str, Any]:
    """Return what a client is told of a trainer, with the parameters it may set."""
    return {
        "description": text("train", language, title=task.title(language)),
        "config": train_config(settings, task),
    }


def datastore_status(backend: Backend) -> dict[str, Any]:
    """Return how many images there are, how many have a final label, and how many labels each tag has."""
    counts: dict[str, int] = {}
    images = backend.labels.all_tags()
    for tag in (tag for tags in images.values() for tag in tags):
        counts[tag] = counts.get(tag, 0) + 1
    return {"total": len(images), "completed": counts.get(FINAL, 0), "label_tags": counts}


def app_info(backend: Backend) -> dict[str, Any]:
    """Return the whole of `/info/`."""
    language = language_of(backend.settings)
    found, running = tasks(), backend.tasks.train_stats()
    names = dict.fromkeys(label.name for task in found for label in load_schema(task.schema_id).labels)
    return {
        "name": NAME,
        "description": text("app", language),
        "version": __version__,
        "labels": list(names),
        "models": {task.id: model_info(task, language) for task in found},
        "trainers": {task.id: trainer_info(task, backend.settings, language) for task in found},
        "strategies": {name: {"description": text(f"strategy.{name}", language)} for name in STRATEGIES},
        "scoring": {name: {"description": text(f"scoring.{name}", language)} for name in METHODS},
        "train_stats": {task.id: running.get(task.id, {}) for task in found},
        "datastore": datastore_status(backend),
    }
