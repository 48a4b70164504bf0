"""Score the network that a task ships with on held-out cases, through the runtime that inference uses.

python -m medheart_models.training.score --task hippocampus --data FOLDER
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from medheart.settings import Settings
from medheart_models.tasks import load_task, task_ids
from medheart_models.training.export import export_task
from medheart_models.training.sources import load_source
from medheart_models.training.train import load_recipe
from medheart_runtime import load_network

__all__ = ["main", "score_task"]


def score_task(task_id: str, *, data: Path, settings: Settings) -> dict[str, Any]:
    """Return what the task's `Source.evaluate` says of its exported network."""
    task = load_task(task_id)
    network = load_network(export_task(task, settings.exports_dir), device="cpu")
    return load_source(task, data, load_recipe(task_id)).evaluate(network)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Score the network of a task on held-out cases.")
    parser.add_argument("--task", required=True, choices=task_ids())
    parser.add_argument("--data", type=Path, default=os.environ.get("MEDHEART_TEST_DATA"), help="folder of the data")
    options = parser.parse_args()
    if options.data is None:
        parser.error("--data FOLDER is needed (or the environment variable MEDHEART_TEST_DATA)")
    scores = score_task(options.task, data=options.data, settings=Settings.load())
    sys.stdout.write(json.dumps(scores, indent=2) + "\n")


if __name__ == "__main__":
    main()
