"""Training in a process of its own: it holds torch, and ends when it is cancelled or its parent ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from medheart.errors import Cancelled, ModelError
from medheart.settings import Settings
from medheart_models.tasks import load_task
from medheart_models.training.progress import ProgressReader, TrainingProgress
from medheart_models.training.recipe import training_folder

__all__ = ["Follow", "run_child", "train_in_child"]

Follow = Callable[[TrainingProgress, Sequence[str]], None]
"""Gets the progress and its latest lines for people."""

_LOOK_S = 0.5
_STOP_S = 5.0


def train_in_child(
    settings: Settings,
    task_id: str,
    data: Path,
    *,
    epochs: int | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    tell: Callable[[str, int, int], None] = lambda _message, _done, _total: None,
    follow: Follow = lambda _progress, _lines: None,
) -> dict[str, Any]:
    """Train a task's network by its recipe and return settings and scores.

    Weights and scores land in `MEDHEART_HOME/training/<task>`; nothing that ships is replaced.

    Parameters
    ----------
    data : pathlib.Path
        Folder that the task's recipe reads.
    epochs : int, optional
        Of the first phase, instead of the recipe's.
    cancelled : callable
        Asked twice a second; true ends the training.
    tell : callable
        Gets (line for people, epochs done, epochs in all).
    follow : callable
        Gets all that is known of the progress.

    Raises
    ------
    TaskError
        If there is no such task.
    ModelError
        If the training fails; holds the end of its log.
    Cancelled
        If `cancelled()` was true.
    """
    load_task(task_id)
    output = training_folder(settings, task_id)

    def both(progress: TrainingProgress, lines: Sequence[str]) -> None:
        tell(lines[-1] if lines else "", progress.epochs_done, progress.epochs)
        follow(progress, lines)

    arguments = ["--task", task_id, "--data", str(data), "--output", str(output)]
    if epochs is not None:
        arguments += ["--epochs", str(epochs)]
    run_child("medheart_models.training.train", arguments, output, task_id, cancelled=cancelled, follow=both)
    result: dict[str, Any] = json.loads((output / f"{task_id}.json").read_text(encoding="utf-8"))
    return result


def run_child(
    module: str, arguments: Sequence[str], folder: Path, task_id: str, *, cancelled: Callable[[], bool], follow: Follow
) -> None:
    """Run a module of `medheart_models.training`, and follow its progress until it ends.

    Parameters
    ----------
    module : str
        Its command line takes `arguments` and `--progress FILE`.
    folder : pathlib.Path
        Takes `train.log` and `progress.jsonl`.
    task_id : str
        For messages.
    cancelled, follow : callable
        As for `train_in_child`.

    Raises
    ------
    ModelError, Cancelled
        As for `train_in_child`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log, told = folder / "train.log", folder / "progress.jsonl"
    told.unlink(missing_ok=True)
    reader = ProgressReader(told)
    command = [sys.executable, "-m", "medheart_work.child", module, *arguments, "--progress", str(told)]
    environment = {**os.environ, "MEDHEART_SUPERVISOR": str(os.getpid())}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
        )
    try:
        while process.poll() is None:
            if cancelled():
                raise Cancelled(f"the training of {task_id!r} was cancelled")
            if reader.read():
                follow(reader.latest, list(reader.lines))
            time.sleep(_LOOK_S)
    finally:
        _end(process)
    if process.returncode != 0:
        raise ModelError(
            f"the training of {task_id!r} failed: {_last_line(log)} (log in {log})", code="training_failed"
        )
    reader.read()
    follow(reader.latest, list(reader.lines))


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
