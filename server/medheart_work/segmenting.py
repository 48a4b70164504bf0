"""From an image in the store to a label version: choose or take the task, run it, keep the result."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from medheart.errors import TaskError
from medheart.records import LabelVersion, Series, Study
from medheart.settings import Settings
from medheart.task import Task
from medheart.volume import Volume
from medheart_models.facts import SeriesFacts
from medheart_models.fit import TaskChoice, choose_task
from medheart_models.predict import Prediction, Predictor
from medheart_models.reasons import Reason
from medheart_models.tasks import load_task
from medheart_store import Store

__all__ = ["Engine", "HostEngine", "LocalEngine", "Segmented", "plan_study", "segment_study"]

_DECISIVE = frozenset({"body_part", "hounsfield", "modality", "not_hounsfield"})

Tiles = Callable[[int, int], None]
Cancelled = Callable[[], bool]


class Engine(Protocol):
    """What runs a task: this process, or the model host."""

    def segment(
        self, volumes: Sequence[Volume], task: Task, *, progress: Tiles | None, cancelled: Cancelled | None
    ) -> Prediction:
        """Segment one case; `progress` gets (tiles done, tiles in all)."""
        ...


class LocalEngine:
    """Runs tasks in this process."""

    def __init__(self, settings: Settings) -> None:
        self._predictor = Predictor(settings)

    def segment(
        self, volumes: Sequence[Volume], task: Task, *, progress: Tiles | None, cancelled: Cancelled | None
    ) -> Prediction:
        """Segment one case."""
        return self._predictor.segment(volumes, task, progress=progress, cancelled=cancelled)


class HostEngine:
    """Runs tasks on the model host, after the people who wait for theirs.

    Parameters
    ----------
    settings : Settings
        Names the host's socket.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def segment(
        self, volumes: Sequence[Volume], task: Task, *, progress: Tiles | None, cancelled: Cancelled | None
    ) -> Prediction:
        """Segment one case."""
        from medheart_models.host.client import HostClient

        def tell(state: Any) -> None:
            if progress is not None:
                progress(state.done, state.total)

        name = f"{socket.gethostname()}/{os.getpid()}"
        with HostClient(self._settings.host_socket, name=name) as client:
            return client.segment(volumes, task.id, progress=tell, cancelled=cancelled, priority="batch")


@dataclass(frozen=True)
class Segmented:
    """What became of a study.

    Parameters
    ----------
    study : str
        Id of the study.
    choice : TaskChoice
        Task and inputs with the reasons; false where no task fits, and says why.
    version : LabelVersion or None
        The result; None where no task fits.
    seconds : dict of str to float
        Wall time per stage of the network.
    """

    study: str
    choice: TaskChoice
    version: LabelVersion | None = None
    seconds: dict[str, float] = field(default_factory=dict)


def plan_study(store: Store, study: Study, task_id: str | None = None, *, first: Collection[str] = ()) -> TaskChoice:
    """Choose the task for a study and the series it reads.

    Parameters
    ----------
    task_id : str, optional
        Take this task.
    first : collection of str
        Ids of the series that a person gave now. A task that these alone fit is taken; the other series of
        the study are looked at only where there is none.

    Returns
    -------
    TaskChoice
        Where no task fits, it says why not for the series in `first`, or for all.

    Raises
    ------
    TaskError
        If the task that was named does not fit; says why.
    """
    task = None if task_id is None else load_task(task_id)
    given = [one for one in study.series if one.id in first] or list(study.series)
    choice = asked = _choose(store, given, task)
    if not asked and len(given) < len(study.series):
        choice = _choose(store, study.series, task) or asked
    if task is not None and not choice:
        why = choice.refused[task.id]
        raise TaskError("; ".join(map(str, why)), reasons=[reason.to_dict() for reason in why])
    return choice


def _choose(store: Store, series: Sequence[Series], task: Task | None) -> TaskChoice:
    facts = [SeriesFacts.from_volume(one.id, store.volume(one.id), description=one.description) for one in series]
    choice = choose_task(facts) if task is None else choose_task(facts, [task], named=True)
    return replace(choice, refused={name: _decisive(reasons) for name, reasons in choice.refused.items()})


def _decisive(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """Leave out what else does not fit of a series that is of another kind or another part of the body."""
    kept: list[Reason] = []
    settled: set[str] = set()
    for reason in reasons:
        series = str(reason.values.get("series", ""))
        if series in settled:
            continue
        kept.append(reason)
        if series and reason.code in _DECISIVE:
            settled.add(series)
    return tuple(kept)


def segment_study(
    store: Store,
    engine: Engine,
    study_id: str,
    *,
    author: str,
    task_id: str | None = None,
    progress: Tiles | None = None,
    cancelled: Cancelled | None = None,
) -> Segmented:
    """Segment a study and keep the result as a draft version of the first input.

    The same task, version of the task and image give the same label version again.

    Parameters
    ----------
    author : str
        Who asked.
    task_id : str, optional
        Task to take; chosen from the images otherwise.
    progress, cancelled : callable, optional
        As in `Engine.segment`.

    Raises
    ------
    NotFound
        If there is no such study.
    TaskError
        If the task that was named does not fit.
    """
    study = store.study(study_id)
    choice = plan_study(store, study, task_id)
    if choice.task is None:
        return Segmented(study_id, choice)
    task = choice.task
    series = [choice.inputs[item.role] for item in task.inputs]
    volumes = [store.volume(one) for one in series]
    prediction = engine.segment(volumes, task, progress=progress, cancelled=cancelled)
    version = store.add_version(
        prediction.labels,
        image=series[0],
        author=author,
        origin=prediction.origin,
        state="draft",
        meta=version_meta(prediction, choice),
        key="-".join(["segment", task.origin, *series]),
    )
    return Segmented(study_id, choice, version, prediction.seconds)


def version_meta(prediction: Prediction, choice: TaskChoice) -> dict[str, Any]:
    """Return what a version records of how a model made it."""
    warnings: list[Reason] = list({str(reason): reason for reason in (*choice.warnings, *prediction.warnings)}.values())
    return {
        "task": prediction.task,
        "status": prediction.status,
        "inputs": dict(choice.inputs),
        "reasons": [reason.to_dict() for reason in choice.reasons],
        "warnings": [reason.to_dict() for reason in warnings],
        "device": prediction.device,
        "seconds": prediction.seconds,
    }
