"""Training a task further on the labels of the store: choosing them, handing them over, keeping a candidate.

The training process gets images and labels as files in a folder of ours, which is removed afterwards;
it sees neither the store nor a patient's pseudonym.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medheart.errors import Cancelled, TaskError
from medheart.settings import Settings
from medheart.task import Task
from medheart_io import write_labels, write_volume
from medheart_models.fit import check_fit
from medheart_models.tasks import load_task
from medheart_models.training.recipe import TUNING_EPOCHS, training_folder
from medheart_models.training.selection import LabelledCase, check_enough, hold_out_share, keep_share, select_cases
from medheart_store import Store
from medheart_work.files import locked
from medheart_work.segmenting import plan_study
from medheart_work.training import Follow, run_child

__all__ = ["Wish", "fine_tune", "new_run"]


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Parameters
    ----------
    task : str
        Task id.
    author : str
        Who asks.
    epochs : int, optional
        10 by default.
    batch : int, optional
        Windows at a time, instead of the recipe's.
    val_split : float, optional
        Part of the patients to hold out; the first training of a task fixes it.
    pretrained : bool
        Go on from the task's present weights, else from none.
    without : tuple of str
        Images and versions to leave out.
    """

    task: str
    author: str
    epochs: int | None = None
    batch: int | None = None
    val_split: float | None = None
    pretrained: bool = True
    without: tuple[str, ...] = ()


def new_run() -> str:
    """Return a new id of a training."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def fine_tune(
    store: Store,
    settings: Settings,
    wish: Wish,
    *,
    run: str,
    cancelled: Callable[[], bool] = lambda: False,
    follow: Follow = lambda _progress, _lines: None,
) -> dict[str, Any]:
    """Train a task on all labels of the store that are fit for it.

    Weights and JSON of the candidate land in `MEDHEART_HOME/training/<task>/<run>`; what the task runs with
    stays as it is. Doing the same run again begins anew.

    Parameters
    ----------
    run : str
        Id of this training, see `new_run`.
    cancelled, follow : callable
        As for `train_in_child`.

    Returns
    -------
    dict
        The candidate's JSON without the scores of single cases, with `run`.

    Raises
    ------
    TaskError
        If there is no such task.
    MedHeartError
        If there are too few cases (`too_few_cases`), or another part is held out (`hold_out_fixed`).
    ModelError
        If the training fails; holds the end of its log.
    Cancelled
        If `cancelled()` was true; nothing is kept.
    """
    task = load_task(wish.task)
    folder = training_folder(settings, task.id)
    share = hold_out_share(folder, wish.val_split)
    cases = select_cases(store, task, share=share, without=wish.without)
    check_enough(cases, task, share=share)
    keep_share(folder, share)
    output = folder / run
    try:
        with _data_folder(output) as data:
            _hand_over(store, task, cases, data, wish=wish, share=share, cancelled=cancelled)
            arguments = ["--task", task.id, "--data", str(data), "--output", str(output), *_options(wish)]
            run_child(
                "medheart_models.training.fine_tune", arguments, output, task.id, cancelled=cancelled, follow=follow
            )
    except Cancelled:
        shutil.rmtree(output, ignore_errors=True)
        raise
    result: dict[str, Any] = json.loads((output / f"{task.id}.json").read_text(encoding="utf-8"))
    return {**_summary(result), "run": run}


def _options(wish: Wish) -> list[str]:
    options = ["--epochs", str(wish.epochs or TUNING_EPOCHS)]
    if wish.batch is not None:
        options += ["--batch", str(wish.batch)]
    return options if wish.pretrained else [*options, "--from-scratch"]


def _summary(result: dict[str, Any]) -> dict[str, Any]:
    """Return what fits into a job's record, however many cases there were."""
    sides = [case["side"] for case in result["cases"]]
    return {
        **{key: result[key] for key in ("task", "status", "start", "weights", "hold_out", "asked", "looks", "seconds")},
        "cases": {side: sides.count(side) for side in ("training", "held_out")},
        "left_out": len(result["left_out"]),
        "dice": {when: scores["mean"] for when, scores in result["dice"].items()},
    }


@contextmanager
def _data_folder(output: Path) -> Iterator[Path]:
    """Yield an empty folder that only this user may read; gone after the block."""
    output.mkdir(parents=True, exist_ok=True)
    folder = output / "data"
    with locked(output):  # What a process left that was killed is not locked any more, so that `sweep` finds it.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def _hand_over(
    store: Store,
    task: Task,
    cases: Sequence[LabelledCase],
    data: Path,
    *,
    wish: Wish,
    share: float,
    cancelled: Callable[[], bool],
) -> None:
    """Write images, labels and the list of them; cases that do not fit the task are left out with the reason."""
    listed, usable, left_out = [], [], []
    for n, case in enumerate(cases):
        if cancelled():
            raise Cancelled(f"the training of {task.id!r} was cancelled")
        try:
            volumes = [store.volume(image) for image in _inputs(store, task, case)]
            check_fit(task, volumes)  # What the task would not read, it is not trained on.
        except TaskError as error:
            left_out.append({"version": case.version, "image": case.image, **error.to_dict()})
            continue
        names = [f"{n}-{channel}.nii" for channel in range(len(volumes))]
        for name, volume in zip(names, volumes, strict=True):
            write_volume(data / name, volume)
        write_labels(data / f"{n}.nii", store.labels(case.version))
        listed.append({**case.to_dict(), "inputs": names, "labels": f"{n}.nii"})
        usable.append(case)
    check_enough(usable, task, share=share, left_out=[item["message"] for item in left_out])
    content = {
        "asked": asdict(wish),
        "hold_out": {"share": share, "by": "sha256 of the patient's pseudonym"},
        "left_out": left_out,
        "cases": listed,
    }
    (data / "cases.json").write_text(json.dumps(content), encoding="utf-8")


def _inputs(store: Store, task: Task, case: LabelledCase) -> list[str]:
    """Return the series of each input; the label lies on the first one's grid."""
    if len(task.inputs) == 1:
        return [case.image]
    roles = [item.role for item in task.inputs]
    known = store.version(case.version).meta.get("inputs") or {}
    chosen = known if set(roles) <= set(known) else plan_study(store, store.study(case.study), task.id).inputs
    if chosen[roles[0]] != case.image:
        raise TaskError(
            f"task {task.id!r} would read {chosen} of study {case.study!r}; the label is of image {case.image!r}"
        )
    return [chosen[role] for role in roles]
