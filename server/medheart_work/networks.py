"""Networks in the form that the runtime runs: made once from the weights, in a process that holds torch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable

from medheart.errors import ModelError
from medheart.settings import Settings
from medheart_models.exports import exported_network
from medheart_models.tasks import load_task, task_ids

__all__ = ["export_networks", "missing_networks"]


def missing_networks(settings: Settings) -> list[str]:
    """Return the tasks whose network is not exported for this home, or of other weights."""
    return [task_id for task_id in task_ids() if not _is_there(task_id, settings)]


def _is_there(task_id: str, settings: Settings) -> bool:
    try:
        exported_network(load_task(task_id), settings)
    except ModelError:
        return False
    return True


def export_networks(settings: Settings, tasks: Iterable[str]) -> None:
    """Export the networks of tasks; those that are there stay.

    Raises
    ------
    ModelError
        If the export fails; holds the last line of what it said.
    """
    environment = {**os.environ, "MEDHEART_HOME": str(settings.home)}
    for task_id in tasks:
        command = [sys.executable, "-m", "medheart_models.training.export", "--task", task_id]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise ModelError(f"the network of task {task_id!r} cannot be exported: {last}", code="export_failed")
