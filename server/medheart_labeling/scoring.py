"""Scores of labels against each other: Dice per label value, plain numbers.

One thread scores, one run at a time; runs are kept in memory, being cheap to repeat.
A lock guards the list of runs; scoring itself takes none.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from medheart.errors import Busy, MedHeartError, NotFound
from medheart.overlap import dice_per_label
from medheart.wire.paths import without_paths
from medheart_labeling.catalogue import FINAL, ORIGINAL
from medheart_labeling.ids import check_id
from medheart_labeling.labels import Labels
from medheart_store import Store

__all__ = ["METHODS", "ScoreRuns", "score_case"]

METHODS = ("dice",)
_log = logging.getLogger(__name__)
_KEEP = 50


@dataclass
class _Run:
    id: str
    request: dict[str, Any]
    start: float
    status: str = "SUBMITTED"
    end: float | None = None
    result: dict[str, Any] | None = None
    details: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def to_task(self) -> dict[str, Any]:
        """Return the run as stock MONAI Label tells a task."""
        task: dict[str, Any] = {
            "id": self.id,
            "status": self.status,
            "request": self.request,
            "start_ts": _clock(self.start),
            "details": list(self.details),
        }
        if self.end is not None:
            task["end_ts"] = _clock(self.end)
        return task if self.result is None else {**task, "result": self.result}


class ScoreRuns:
    """Scoring in the background.

    Parameters
    ----------
    store, labels
        Whose labels are scored.
    """

    def __init__(self, store: Store, labels: Labels) -> None:
        self._store = store
        self._labels = labels
        self._lock = threading.Lock()
        self._runs: list[_Run] = []
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="scoring")

    def start(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Start scoring and return its task; raises NotFound for an unknown method, Busy if one runs."""
        run = self._add(method, params)
        task = run.to_task()
        self._worker.submit(self._work, run)
        return task

    def run(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Score now.

        Parameters
        ----------
        method : str
            `dice`.
        params : mapping
            `y` and `y_pred`: tags, by default `final` and `original`.

        Returns
        -------
        dict
            `scores`: image id to label name to Dice (0 to 1); `mean` over all images by label name; `errors`:
            image id to why it has no score, as where its two labels are of different organs.
        """
        _check(method, params)
        return self._score(params, threading.Event())

    def latest(self, *, only_running: bool = False) -> dict[str, Any]:
        """Return the newest task, or the one that runs; raises NotFound where there is none."""
        with self._lock:
            runs = [run for run in self._runs if run.end is None or not only_running]
        if not runs:
            raise NotFound(f"no scoring task {'is running' if only_running else 'was ever asked for'}")
        return runs[-1].to_task()

    def all(self) -> list[dict[str, Any]]:
        """Return the tasks, oldest first; raises NotFound where there is none."""
        self.latest()
        with self._lock:
            return [run.to_task() for run in self._runs]

    def stop(self) -> dict[str, Any] | None:
        """Stop what runs; return its task, None where there was none."""
        with self._lock:
            runs = [run for run in self._runs if run.end is None]
        for run in runs:
            run.stop.set()
            run.status = "STOPPED"
        return runs[-1].to_task() if runs else None

    def close(self) -> None:
        """Stop what runs and end the thread."""
        self.stop()
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _add(self, method: str, params: Mapping[str, Any]) -> _Run:
        _check(method, params)
        run = _Run(str(uuid.uuid4()), {"method": method, **params}, time.time())
        with self._lock:
            if any(other.end is None for other in self._runs):
                raise Busy("scoring is running already", retry_after_s=5)
            self._runs = [*self._runs[1 - _KEEP :], run]
        return run

    def _work(self, run: _Run) -> None:
        try:
            if not run.stop.is_set():
                run.status = "RUNNING"
                result = self._score(run.request, run.stop)
                if not run.stop.is_set():
                    run.result, run.status = result, "DONE"
        except Exception as error:
            run.status = "ERROR"
            _log.warning("scoring failed", exc_info=error)
            run.details.append(without_paths(error.message if isinstance(error, MedHeartError) else repr(error)))
        finally:
            run.end = time.time()

    def _score(self, params: Mapping[str, Any], stop: threading.Event) -> dict[str, Any]:
        truth, other = _tags(params)
        scores: dict[str, dict[str, float]] = {}
        errors: dict[str, str] = {}
        for image, tags in self._labels.all_tags().items():
            if stop.is_set():
                break
            if truth not in tags or other not in tags:
                continue
            try:
                scores[image] = score_case(self._store, tags[truth].id, tags[other].id)
            except MedHeartError as error:
                _log.warning("scoring image %s: %s", image, error.message)
                errors[image] = without_paths(error.message)
        return {"scores": scores, "mean": _mean(scores), "errors": errors}


def score_case(store: Store, truth: str, other: str) -> dict[str, float]:
    """Return Dice by label name between two versions of one image, on boolean masks.

    Raises
    ------
    MedHeartError
        If the versions have different schemas.
    """
    first, second = store.labels(truth), store.labels(other)
    if first.schema.id != second.schema.id:
        text = f"versions {truth} and {other} have schemas {first.schema.id!r} and {second.schema.id!r}"
        raise MedHeartError(text, code="schema_mismatch")
    return {first.schema.by_value(value).name: score for value, score in dice_per_label(first, second).items()}


def _mean(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for case in scores.values() for name in case)
    return {name: fmean(case[name] for case in scores.values() if name in case) for name in names}


def _check(method: str, params: Mapping[str, Any]) -> None:
    if method not in METHODS:
        raise NotFound(f"there is no scoring method {method!r}; there are {list(METHODS)}")
    _tags(params)


def _tags(params: Mapping[str, Any]) -> tuple[str, str]:
    return check_id("y", params.get("y") or FINAL), check_id("y_pred", params.get("y_pred") or ORIGINAL)


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
