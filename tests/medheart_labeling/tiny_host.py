"""A real model host whose `hippocampus` and `lung-nodule` are the tiny networks; run as a script."""

from __future__ import annotations

import logging
import runpy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from medheart.settings import Settings
from medheart.task import Task
from medheart_models.host.server import Limits, serve

_TINY = Path(__file__).resolve().parent.parent / "medheart_models" / "tiny_tasks.py"


def tiny_module() -> dict[str, Any]:
    """Return the names of `tiny_tasks`."""
    return runpy.run_path(str(_TINY))


def tasks() -> dict[str, Task]:
    """Return the tiny tasks under the ids of tasks that ship: a fast one and a slow one."""
    tiny = tiny_module()
    wide = replace(tiny["TINY"].field_of_view, maximum_mm=(300.0, 300.0, 300.0))
    fast = replace(tiny["TINY"], id="hippocampus", field_of_view=wide)
    slow = replace(tiny["SLOW"], id="lung-nodule", field_of_view=wide)
    return {task.id: task for task in (fast, slow)}


def main() -> None:
    """Serve until a signal."""
    logging.basicConfig(level=logging.INFO)
    known = tasks()
    settings = Settings.load()
    tiny_module()["export_networks"](settings)
    serve(settings, load_task=known.__getitem__, task_ids=sorted(known), limits=Limits(queue=4))


if __name__ == "__main__":
    sys.exit(main())
