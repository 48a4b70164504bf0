"""Go on training a task's network on labelled cases of this installation, and say whether it became better.

    python -m medheart_models.training.fine_tune --task ID --data FOLDER --output FOLDER --epochs N

reads `FOLDER/cases.json`, which names image and label files beside it and the side of each case:

    {"asked": {…}, "hold_out": {…}, "left_out": […],
     "cases": [{"version": "…", "image": "…", "study": "…", "side": "training", "from_model": false,
                "inputs": ["0-0.nii"], "labels": "0.nii"}]}

and writes a candidate: `<task>.safetensors` and `<task>.json`. Nothing that runs is replaced. Where the task's
recipe calibrates, a part of the training side is left out of the training for that.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import math
import platform
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_model, save_model
from torch import nn

from medheart import Volume
from medheart.errors import MedHeartError, ModelError
from medheart.overlap import dice
from medheart.schema import load_schema
from medheart.task import Task
from medheart_io import read_image, read_labels
from medheart_models.networks import build_network
from medheart_models.tasks import load_task, weights_path
from medheart_models.training.calibration import calibrate
from medheart_models.training.data import Case, make_case
from medheart_models.training.evaluation import TorchNetwork, predictor
from medheart_models.training.loop import Patch, train, uses_bfloat16
from medheart_models.training.progress import ProgressLog, mean_of
from medheart_models.training.recipe import calibrates, load_recipe, training_phases

__all__ = ["FineTuning", "calibration_cases", "fine_tune", "main", "tuning_settings"]

_SHARE_OF_RATE = 0.1
"""Of the recipe's learning rate, which is one for networks that have learned nothing yet."""
_LOOKS, _LOOK_CASES = 10, 4
_CALIBRATION_SHARE, _MOST_CALIBRATION_STUDIES = 0.2, 8
"""Of the studies to train on; more than a few are not needed for one number, and each takes a whole inference."""

_TOLD = ("version", "image", "study", "side", "from_model")

Item = Mapping[str, Any]
"""One of the cases in `cases.json`."""
Scores = dict[str, float | None]
Truth = tuple[str, list[Volume], NDArray[np.uint8]]


@dataclass(frozen=True)
class FineTuning:
    """How to train.

    Parameters
    ----------
    epochs : int
        From 1.
    batch : int, optional
        Windows at a time, instead of the recipe's.
    pretrained : bool
        Go on from the task's present weights, else from none.
    """

    epochs: int
    batch: int | None = None
    pretrained: bool = True


def tuning_settings(recipe: dict[str, Any], asked: FineTuning, *, cases: int) -> dict[str, Any]:
    """Return the recipe's settings of its last phase as they are used on so many cases.

    Where training goes on from weights, the learning rate is a tenth. A batch is not larger than an epoch.
    """
    phase = training_phases(recipe)[-1]
    rate = phase["learning_rate"] * (_SHARE_OF_RATE if asked.pretrained else 1.0)
    batch = min(asked.batch or phase["batch"], cases * phase["windows_per_case"])
    return {**phase, "learning_rate": rate, "batch": batch, "epochs": asked.epochs}


def fine_tune(
    task: Task, recipe: dict[str, Any], asked: FineTuning, *, data: Path, output: Path, progress: Path | None = None
) -> dict[str, Any]:
    """Train on the cases of a folder and score on those held out, before and after.

    Parameters
    ----------
    task : Task
        Whose network and weights.
    recipe : dict
        Its training settings.
    asked : FineTuning
        How to train.
    data : pathlib.Path
        Folder with `cases.json`, see the module.
    output : pathlib.Path
        Folder for `<task>.safetensors` and `<task>.json`.
    progress : pathlib.Path, optional
        File to tell the progress in.

    Returns
    -------
    dict
        What the JSON file holds: settings, the cases with their sides, how many labels of those held out
        began with a model's (`hold_out.from_model`), which cases calibrated the background's score
        (`calibrated_on`) and by how much (`background_bias`), Dice by label before and after.

    Raises
    ------
    ModelError
        If the weights are missing or of another network, or the training diverges.
    """
    told = ProgressLog(progress, epochs=asked.epochs)
    told.begin("reading", "reading the cases")
    listed = json.loads((data / "cases.json").read_text(encoding="utf-8"))
    sides = {side: [item for item in listed["cases"] if item["side"] == side] for side in ("training", "held_out")}
    calibration = calibration_cases(sides["training"]) if calibrates(recipe) else []
    training = [item for item in sides["training"] if item not in calibration]
    settings = tuning_settings(recipe, asked, cases=len(training))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(settings["seed"])
    present = _present_network(task).to(device)
    told.begin("before", f"scoring the present weights on {len(sides['held_out'])} held-out cases")
    found = {"before": _score(present, sides["held_out"], data, task)}
    told.look(_means(found["before"]), epoch=0)
    network = present if asked.pretrained else build_network(task.network).to(device)
    started = time.monotonic()
    with _prepared(training, data, task) as cases:
        told.begin("training", f"training on {len(cases)} cases")
        history = _train(network, cases, settings, task, told, held_out=sides["held_out"][:_LOOK_CASES], data=data)
    told.begin("after", "scoring the new weights on the held-out cases")
    bias = calibrate(history.network, task, (_read(item, data, task)[1:] for item in calibration))
    found["after"] = _score(history.network, sides["held_out"], data, task)
    told.look(_means(found["after"]), epoch=asked.epochs)
    output.mkdir(parents=True, exist_ok=True)
    weights = output / f"{task.id}.safetensors"
    save_model(history.network, str(weights))
    result = {
        "task": task.id,
        "status": "candidate",
        "start": {"origin": task.origin, "sha256": task.weights.sha256} if asked.pretrained else None,
        "weights": {"file": weights.name, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()},
        **{key: listed[key] for key in ("asked", "left_out")},
        "hold_out": {**listed["hold_out"], "from_model": sum(item["from_model"] for item in sides["held_out"])},
        "cases": [{key: item[key] for key in _TOLD} for item in listed["cases"]],
        "background_bias": bias,
        "calibrated_on": [item["version"] for item in calibration],
        "dice": {when: {"mean": _means(scores), "cases": scores} for when, scores in found.items()},
        "looks": history.looks,
        "seconds": round(time.monotonic() - started),
        **_facts(task, settings, device),
    }
    _write_whole(output / f"{task.id}.json", json.dumps(result, indent=2, allow_nan=False) + "\n")
    return result


def calibration_cases(training: Sequence[Item]) -> list[Item]:
    """Return the cases that are left out of a training to calibrate on.

    Whole studies, a fifth but at most eight of them, chosen by a digest of their ids; none where there is
    one study only.
    """
    studies = sorted({item["study"] for item in training}, key=lambda study: hashlib.sha256(study.encode()).digest())
    count = min(max(1, round(_CALIBRATION_SHARE * len(studies))), _MOST_CALIBRATION_STUDIES, len(studies) - 1)
    chosen = set(studies[: max(0, count)])
    return [item for item in training if item["study"] in chosen]


@contextmanager
def _prepared(items: Sequence[Item], data: Path, task: Task) -> Iterator[list[Case]]:
    """Yield the prepared cases, which lie on disk within `data` for as long: memory holds what is drawn of them."""
    with TemporaryDirectory(dir=data, prefix="prepared-") as folder:
        yield _on_disk((_training_case(item, data, task) for item in items), Path(folder))


def _on_disk(cases: Iterable[Case], folder: Path) -> list[Case]:
    """Write cases one after another into two files, as each mapped file takes a descriptor, and map them."""
    shapes: list[tuple[str, tuple[int, ...]]] = []
    with (folder / "images").open("wb") as images, (folder / "labels").open("wb") as labels:
        for case in cases:
            case.image.tofile(images)
            case.labels.tofile(labels)
            shapes.append((case.name, case.image.shape))
    ends = np.cumsum([math.prod(shape[1:]) for _, shape in shapes])[:-1]
    channels = shapes[0][1][0]
    parts = zip(
        np.split(np.memmap(folder / "images", np.float32, "r"), ends * channels),
        np.split(np.memmap(folder / "labels", np.uint8, "r"), ends),
        strict=True,
    )
    return [
        Case(name, image.reshape(shape), mask.reshape(shape[1:]))
        for (name, shape), (image, mask) in zip(shapes, parts, strict=True)
    ]


@dataclass
class _Trained:
    network: nn.Module
    looks: list[dict[str, Any]]


def _train(
    network: nn.Module,
    cases: Sequence[Case],
    settings: dict[str, Any],
    task: Task,
    told: ProgressLog,
    *,
    held_out: Sequence[Item],
    data: Path,
) -> _Trained:
    epochs, losses, looks = settings["epochs"], list[float](), list[dict[str, Any]]()
    follow = told.steps_of_phase(before=0, epochs=epochs)

    def after_step(step: int, steps: int, loss: float) -> None:
        """Tell the step; stop where the loss is no number."""
        if not math.isfinite(loss):
            raise ModelError(f"the training diverged: its loss is {loss} at step {step} of {steps}", code="diverged")
        losses.append(loss)
        follow(step, steps, loss)

    def after_epoch(epoch: int, averaged: nn.Module) -> None:
        """Look at held-out cases now and then."""
        loss = float(np.mean(losses))
        losses.clear()
        if epoch % math.ceil(epochs / _LOOKS) == 0 or epoch == epochs:
            found = _means(_score(averaged, held_out, data, task))
            told.look(found, epoch=epoch)
            looks.append({"epoch": epoch, "loss": round(loss, 4), "dice": found})

    patch = Patch(
        size=tuple(settings.get("patch", task.inference["patch"])),
        classes=task.network["classes"],
        fill=task.inference["padding_value"],
    )
    averaged = train(
        network,
        cases,
        settings,
        epochs=epochs,
        patch=patch,
        seed=settings["seed"],
        after_epoch=after_epoch,
        after_step=after_step,
    )
    return _Trained(averaged, looks)


def _facts(task: Task, settings: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """Return with what the training was done."""
    return {
        "recipe": settings,
        "network": task.network,
        "preprocessing": task.preprocessing,
        "inference": task.inference,
        "machine": {"device": str(device), "threads": torch.get_num_threads(), "bfloat16": uses_bfloat16(device)},
        "versions": {"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()},
    }


def _present_network(task: Task) -> nn.Module:
    path, network = weights_path(task), build_network(task.network)
    try:
        load_model(network, str(path))
    except RuntimeError as error:
        raise ModelError(f"{path}: not the weights of the network of task {task.id!r}: {error}") from error
    return network


def _training_case(item: Item, data: Path, task: Task) -> Case:
    name, volumes, classes = _read(item, data, task)
    return make_case(name, volumes, classes, task)


def _read(item: Item, data: Path, task: Task) -> Truth:
    """Read images and labels of a case; the labels as class indices: class n is the schema's n-th label."""
    volumes = [read_image(data / name) for name in item["inputs"]]
    schema = load_schema(task.schema_id)
    labels = read_labels(data / item["labels"], schema, like=volumes[0].geometry)
    classes: NDArray[np.uint8] = np.zeros(labels.array.shape, np.uint8)
    for n, value in enumerate(schema.values, start=1):
        classes[labels.array == value] = n
    return item["version"], volumes, classes


def _score(network: nn.Module, held_out: Sequence[Item], data: Path, task: Task) -> dict[str, Scores]:
    """Return Dice by version id and label name; None where neither truth nor result has the label."""
    training = network.training
    predict = predictor(TorchNetwork(network), task)
    names = [label.name for label in load_schema(task.schema_id).labels]
    scores: dict[str, Scores] = {}
    for item in held_out:
        version, volumes, truth = _read(item, data, task)
        found = predict(volumes)
        scores[version] = {
            name: round(dice(found == n, truth == n), 4) if (found == n).any() or (truth == n).any() else None
            for n, name in enumerate(names, start=1)
        }
    network.train(training)
    return scores


def _means(scores: Mapping[str, Scores]) -> Scores:
    """Return the mean of each label over the cases that have it."""
    names = next(iter(scores.values()), {})
    means = {name: mean_of({case: found[name] for case, found in scores.items()}) for name in names}
    return {name: None if value is None else round(value, 4) for name, value in means.items()}


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--task", required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder with cases.json")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--batch", type=int, help="windows at a time, instead of the recipe's")
    parser.add_argument("--from-scratch", action="store_true", help="do not begin with the present weights")
    parser.add_argument("--progress", type=Path, help="file to tell the progress in, one JSON object a line")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    asked = FineTuning(options.epochs, options.batch, not options.from_scratch)
    try:
        fine_tune(
            load_task(options.task),
            load_recipe(options.task),
            asked,
            data=options.data,
            output=options.output,
            progress=options.progress,
        )
    except MedHeartError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
