"""Training as a client asks for it and is told of it: stock MONAI Label's parameters and `train_stats`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from medheart.errors import MedHeartError
from medheart.records import Job
from medheart.settings import Settings
from medheart.task import Task
from medheart_models.training.progress import TrainingProgress, mean_of
from medheart_models.training.recipe import TUNING_EPOCHS, load_recipe, training_folder
from medheart_models.training.selection import check_enough, hold_out_share, select_cases
from medheart_store import Store

__all__ = ["job_arguments", "train_config", "train_stats"]

_MOST_EPOCHS, _MOST_WINDOWS = 10_000, 64
_LOSS, _DICE = "train_loss", "val_mean_dice"


def train_config(settings: Settings, task: Task) -> dict[str, Any]:
    """Return the parameters that a client may set, with their defaults."""
    return {
        "max_epochs": TUNING_EPOCHS,
        "train_batch_size": load_recipe(task.id)["batch"],
        "val_split": hold_out_share(training_folder(settings, task.id)),
        "pretrained": True,
    }


def job_arguments(
    store: Store, settings: Settings, task: Task, params: Mapping[str, Any], *, author: str, hidden: set[str]
) -> dict[str, Any]:
    """Return the arguments of the job, after a look whether there is enough to train on.

    Parameters
    ----------
    params : mapping
        As the client sent them: `max_epochs`, `train_batch_size`, `val_split`, `pretrained`; others are
        left to whoever they are for, as in stock MONAI Label.
    author : str
        Who asks.
    hidden : set of str
        Images and versions that clients deleted.

    Raises
    ------
    MedHeartError
        If a parameter is wrong (`bad_request`), another part is held out already (`hold_out_fixed`), or
        there are too few cases (`too_few_cases`).
    """
    asked = {
        "epochs": _checked(params, "max_epochs", _is_count(_MOST_EPOCHS), f"a whole number, 1 to {_MOST_EPOCHS}"),
        "batch": _checked(
            params, "train_batch_size", _is_count(_MOST_WINDOWS), f"a whole number, 1 to {_MOST_WINDOWS}"
        ),
        "val_split": _checked(params, "val_split", _is_part, "a number above 0 and below 1"),
        "pretrained": _checked(params, "pretrained", lambda value: isinstance(value, bool), "true or false"),
    }
    share = hold_out_share(training_folder(settings, task.id), asked["val_split"])
    check_enough(select_cases(store, task, share=share, without=hidden), task, share=share)
    given = {key: value for key, value in asked.items() if value is not None}
    known = store.changed_images()[0]
    without = sorted(hidden & (known | {version.id for image in known for version in store.versions(image)}))
    return {"epochs": TUNING_EPOCHS, **given, "task": task.id, "author": author, "without": without}


def train_stats(job: Job, *, now: float | None = None) -> dict[str, Any]:
    """Return how far a training is in the words of stock MONAI Label's `train_stats`; empty before it runs.

    Times are `h:mm:ss`; `seconds_left` is ours.
    """
    told = job.details.get("progress")
    if told is None:
        return {}
    progress = TrainingProgress.from_dict(told)
    end = progress.at if job.finished else (now or time.time())
    took = str(timedelta(seconds=max(0, int(end - progress.started))))
    stats: dict[str, Any] = {
        "epoch": progress.epochs_done,
        "total_epochs": progress.epochs,
        "start_ts": int(progress.started),
        "total_time" if job.finished else "current_time": took,
        "seconds_left": job.seconds_left,
    }
    if progress.loss is not None:
        stats["train"] = {"metrics": {_LOSS: progress.loss}, "key_metric_name": _LOSS}
    if progress.dice is not None:
        labels = {f"val_{name}_dice": value for name, value in progress.dice.items() if value is not None}
        stats["best_metric"] = progress.best_dice
        stats["eval"] = {
            "metrics": {_DICE: mean_of(progress.dice), **labels},
            "key_metric_name": _DICE,
            "best_metric": progress.best_dice,
            "best_metric_epoch": progress.best_epoch,
        }
    return stats


def _checked(params: Mapping[str, Any], name: str, is_good: Callable[[Any], bool], expected: str) -> Any:
    value = params.get(name)
    if value is not None and not is_good(value):
        raise MedHeartError(f"{name} must be {expected}, got {value!r}", code="bad_request", argument=name)
    return value


def _is_count(most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _is_part(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1
