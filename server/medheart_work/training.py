"""Training in a process of its own: it holds torch, and ends when it is cancelled."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medheart.errors import Cancelled, ModelError
from medheart.settings import Settings
from medheart_models.tasks import load_task

__all__ = ["train_in_child"]

_LOOK_S = 1.0
_STOP_S = 20.0


def train_in_child(
    settings: Settings,
    task_id: str,
    data: Path,
    *,
    epochs: int | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    tell: Callable[[str, int, int], None] = lambda _message, _done, _total: None,
) -> dict[str, Any]:
    """Train a task's network and return settings and scores.

    Weights and scores land in `MEDHEART_HOME/training/<task>`; nothing that ships is replaced.

    Parameters
    ----------
    data : pathlib.Path
        Folder that the task's recipe reads.
    epochs : int, optional
        Instead of the recipe's.
    cancelled : callable
        Asked every second; true ends the training.
    tell : callable
        Gets the latest line of the log.

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
    output = settings.home / "training" / task_id
    output.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "medheart_models.training.train", "--task", task_id]
    command += ["--data", str(data), "--output", str(output)]
    if epochs is not None:
        command += ["--epochs", str(epochs)]
    log = output / "train.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT)
    try:
        while process.poll() is None:
            tell(_last_line(log), 0, 0)
            if cancelled():
                raise Cancelled(f"the training of {task_id!r} was cancelled")
            time.sleep(_LOOK_S)
    finally:
        _end(process)
    if process.returncode != 0:
        raise ModelError(
            f"the training of {task_id!r} failed: {_last_line(log)} (log in {log})", code="training_failed"
        )
    result: dict[str, Any] = json.loads((output / f"{task_id}.json").read_text(encoding="utf-8"))
    return result


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
    return lines[-1] if lines else ""
