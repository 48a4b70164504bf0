"""Train the network of a task and write its weights, settings and scores.

python -m medheart_models.training.train --task hippocampus --data FOLDER
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_model, save_model
from torch import nn

from medheart.task import Task
from medheart_models.networks import build_network, parameter_count
from medheart_models.tasks import load_task
from medheart_models.training.calibration import calibrate
from medheart_models.training.data import Case
from medheart_models.training.evaluation import TorchNetwork
from medheart_models.training.loop import Patch, train, uses_bfloat16
from medheart_models.training.progress import ProgressLog
from medheart_models.training.recipe import load_recipe, training_phases
from medheart_models.training.sources import Source, load_source

__all__ = ["load_recipe", "main", "train_task", "training_phases"]

log = logging.getLogger(__name__)


def train_task(
    task_id: str,
    *,
    data: Path,
    output: Path,
    epochs: int | None = None,
    start: Path | None = None,
    progress: Path | None = None,
) -> dict[str, Any]:
    """Train the network of a task, phase by phase, as its recipe says.

    Parameters
    ----------
    task_id : str
        Task with a recipe.
    data : pathlib.Path
        Folder that the recipe's data source reads.
    output : pathlib.Path
        Folder for `<task>.safetensors` and `<task>.json` (settings and scores).
    epochs : int, optional
        Of the first phase, instead of the recipe's.
    start : pathlib.Path, optional
        Result of the first phase, to go on with the others.
    progress : pathlib.Path, optional
        File to tell the progress in, see `medheart_models.training.progress`.

    Returns
    -------
    dict
        What the JSON file holds.
    """
    task, recipe = load_task(task_id), load_recipe(task_id)
    phases = training_phases(recipe, epochs=epochs)
    weights = output / f"{task_id}.safetensors"
    output.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(recipe["seed"])
    network = build_network(task.network).to(device)
    if start is not None:
        load_model(network, str(start))
        phases = phases[1:]
    told = ProgressLog(progress, epochs=sum(phase["epochs"] for phase in phases))
    told.begin("reading", "reading the cases")
    source = load_source(task, data, recipe)
    cases = source.training_cases() if phases else []
    log.info("%s: %d cases, %d parameters, %s", task_id, len(cases), parameter_count(network), device)
    started, before = time.monotonic(), 0
    told.begin("training", f"training on {len(cases)} cases")
    for phase in phases:
        network = _run_phase(network, phase, cases, task, source, weights=weights, told=told, before=before)
        before += phase["epochs"]
    told.begin("after", "scoring on the held-out cases")
    bias = calibrate(network, task, source.calibration_cases())
    save_model(network, str(weights))
    result: dict[str, Any] = {
        "task": task_id,
        "weights": {"file": weights.name, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()},
        "recipe": recipe,
        "network": task.network,
        "preprocessing": task.preprocessing,
        "inference": task.inference,
        "background_bias": bias,
        "parameters": parameter_count(network),
        "seconds": round(time.monotonic() - started),
        "machine": {"device": str(device), "threads": torch.get_num_threads(), "bfloat16": uses_bfloat16(device)},
        "versions": {"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()},
        "held_out": source.evaluate(TorchNetwork(network)),
    }
    (output / f"{task_id}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    log.info("%s: Dice %s", task_id, result["held_out"]["mean"])
    return result


def _run_phase(
    network: nn.Module,
    phase: dict[str, Any],
    cases: list[Case],
    task: Task,
    source: Source,
    *,
    weights: Path,
    told: ProgressLog,
    before: int,
) -> nn.Module:
    def after_epoch(epoch: int, averaged: nn.Module) -> None:
        """Keep the weights now and then, and look at held-out cases."""
        if epoch % 5 == 0 or epoch == phase["epochs"]:
            save_model(averaged, str(weights))
        if epoch % phase.get("look_every", epoch + 1) == 0:
            dice = source.evaluate(TorchNetwork(averaged), limit=4)["mean"]
            log.info("epoch %d  Dice %s", epoch, dice)
            told.look(dice, epoch=before + epoch)

    patch = Patch(
        size=tuple(phase.get("patch", task.inference["patch"])),
        classes=task.network["classes"],
        fill=task.inference["padding_value"],
    )
    return train(
        network,
        cases,
        phase,
        epochs=phase["epochs"],
        patch=patch,
        seed=phase["seed"],
        after_epoch=after_epoch,
        after_step=told.steps_of_phase(before=before, epochs=phase["epochs"]),
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--task", required=True)
    parser.add_argument("--data", type=Path, default=os.environ.get("MEDHEART_TEST_DATA"), help="folder of the data")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--start", type=Path, help="weights after the first phase, to go on with the others")
    parser.add_argument("--output", type=Path, default=Path("out/training"))
    parser.add_argument("--progress", type=Path, help="file to tell the progress in, one JSON object a line")
    options = parser.parse_args()
    if options.data is None:
        parser.error("--data FOLDER is needed (or the environment variable MEDHEART_TEST_DATA)")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    train_task(
        options.task,
        data=options.data,
        output=options.output,
        epochs=options.epochs,
        start=options.start,
        progress=options.progress,
    )


if __name__ == "__main__":
    main()
