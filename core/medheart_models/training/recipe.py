"""The training settings of a task and where its trainings lie, readable without torch."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from medheart.settings import Settings

__all__ = ["TUNING_EPOCHS", "calibrates", "load_recipe", "training_folder", "training_phases"]

TUNING_EPOCHS = 10
"""Epochs of a training on the labels of an installation, where nobody asks for others."""


def training_folder(settings: Settings, task_id: str) -> Path:
    """Return the folder of a task's trainings: the result of its recipe, and a folder for each candidate."""
    return settings.home / "training" / task_id


def load_recipe(task_id: str) -> dict[str, Any]:
    """Return the training settings of a task."""
    path = resources.files("medheart_models") / "training" / "recipes" / f"{task_id}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def calibrates(recipe: dict[str, Any]) -> bool:
    """Whether the background's score is calibrated after training, on cases that took no part in it."""
    return "calibration_phantoms" in recipe


def training_phases(recipe: dict[str, Any], *, epochs: int | None = None) -> list[dict[str, Any]]:
    """Return the settings of each phase: the recipe itself, then with what its `closing` part changes."""
    first = {**recipe, "epochs": epochs or recipe["epochs"]}
    if "closing" not in recipe:
        return [first]
    closing = dict(recipe["closing"])
    augmentation = {**recipe["augmentation"], **closing.pop("augmentation", {})}
    return [first, {**recipe, **closing, "augmentation": augmentation, "seed": recipe["seed"] + 1000}]
