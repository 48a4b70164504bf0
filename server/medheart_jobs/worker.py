"""The side that works: a registry of jobs, steps, progress, and the process that does them.

A job is a function of JSON arguments. What it must not do twice it does in `run_step`: the result of
a step is recorded, and after a crash the job runs again from its start with the recorded results. Its
own code between steps must therefore be the same each time, and the effect of a step must bear being
done twice (a crash between effect and record repeats it).
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from dbos import DBOS, DBOSConfig
from dbos import error as dbos_error

from medheart.errors import Cancelled, JobError, MedHeartError
from medheart.settings import Settings
from medheart_jobs.tables import APPLICATION, PROGRESS, QUEUES, VERSION, WORKFLOW, prepare, serializer

__all__ = ["Registry", "cancelled", "report_progress", "run_step", "run_worker"]

_LOG = logging.getLogger(__name__)
_ATTEMPTS = 3
"""How often a job is begun again after its worker ended. A supervisor has to start a worker anew more often than that,
or one job that kills it would take everything down; a job of hours has to outlive some restarts of the machine."""
_REPORT_EVERY_S = 0.25
_ASK_EVERY_S = 0.5


class Registry:
    """What a worker can do: functions by job name."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[..., Any]] = {}

    def job(self, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register the decorated function as a job; raises JobError if the name is taken."""

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            if name in self.functions:
                raise JobError(f"there are two jobs named {name!r}", code="duplicate_job")
            self.functions[name] = function
            return function

        return register

    def get(self, name: str) -> Callable[..., Any]:
        """Return a job's function; raises JobError naming those there are."""
        if name not in self.functions:
            raise JobError(f"no job {name!r}; this worker does {sorted(self.functions)}", code="unknown_job")
        return self.functions[name]


class _Pace:
    """Since when a job reports, and when it last reported or asked; kept per job while it runs here."""

    def __init__(self, done: int) -> None:
        self.started, self.done_at_start = time.monotonic(), done
        self.reported = self.asked = float("-inf")

    def seconds_left(self, done: int, total: int) -> float | None:
        parts = done - self.done_at_start
        if parts <= 0:
            return None
        return (time.monotonic() - self.started) / parts * max(0, total - done)


_paces: dict[str, _Pace] = {}
_running: set[str] = set()


def run_step(function: Callable[..., Any], *args: Any, name: str | None = None, **kwargs: Any) -> Any:
    """Do a part of a job once and record its result; only inside a job.

    Parameters
    ----------
    function : callable
        Returns something JSON-serialisable and small. Its effect must bear being done twice.
    name : str, optional
        How the record calls it; the function's name by default.
    """
    return DBOS.run_step({"name": name or function.__name__}, function, *args, **kwargs)


def report_progress(
    done: int,
    total: int,
    message: str = "",
    *,
    seconds_left: float | None = None,
    details: dict[str, Any] | None = None,
) -> None:
    """Say how far the job is: `done` of `total` parts.

    Inside a step it may be called as often as one likes: it writes at most four times a second, and
    always when `done` reaches `total`.

    Parameters
    ----------
    done, total : int
        Parts.
    message : str
        For people.
    seconds_left : float, optional
        Where the job knows better than the parts done so far tell.
    details : dict, optional
        JSON-serialisable and small: what else is known of a job of this kind.

    Raises
    ------
    Cancelled
        Inside a step, if someone cancelled the job.
    """
    pace = _paces.setdefault(_job_id(), _Pace(done))
    now = time.monotonic()
    # Between steps every call is part of the record, so none may be left out.
    if DBOS.step_status is not None and done < total and now - pace.reported < _REPORT_EVERY_S:
        return
    pace.reported = now
    left = pace.seconds_left(done, total) if seconds_left is None else seconds_left
    event = {"done": done, "total": total, "message": message, "left": left, "at": time.time()}
    if details is not None:
        event["details"] = details
    try:
        DBOS.set_event(PROGRESS, event)
    except dbos_error.DBOSWorkflowConflictIDError as error:
        if DBOS.step_status is not None and _is_cancelled():
            raise Cancelled(f"job {_job_id()} was cancelled") from error
        raise


def cancelled() -> bool:
    """Whether someone cancelled the job; ask it in long steps, and return early or raise `Cancelled`.

    Looks at most twice a second. Between steps a cancelled job ends here by itself.
    """
    if DBOS.step_status is None:
        return bool(run_step(_is_cancelled, name="cancelled"))
    pace = _paces.setdefault(_job_id(), _Pace(0))
    if time.monotonic() - pace.asked < _ASK_EVERY_S:
        return False
    pace.asked = time.monotonic()
    return _is_cancelled()


def run_worker(
    settings: Settings,
    registry: Registry,
    *,
    executor: str | None = None,
    polling_s: float = 0.5,
    finish_s: int = 30,
    stop: threading.Event | None = None,
) -> None:
    """Do jobs until SIGTERM, SIGINT or `stop`; then take nothing new and finish what runs.

    A step that is not over after `finish_s` is left, and the process ends with exit code 0 there and
    then: its thread could not be stopped otherwise. The job goes on at the worker's next start.

    Parameters
    ----------
    settings : Settings
        Names the job tables.
    registry : Registry
        What this worker can do. All workers of one database need the same names.
    executor : str, optional
        Name of this worker, the same after a restart: its unfinished jobs go on then. By default the
        machine's name, which fits one worker a machine.
    polling_s : float
        Seconds between two looks at the queues.
    finish_s : int
        Seconds to wait at the end for what runs.
    stop : threading.Event, optional
        Ends the worker when set.
    """
    stop = stop or threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    prepare(settings.jobs_url)
    logging.getLogger("dbos").addFilter(_not_logged_here)
    DBOS.workflow(name=WORKFLOW, max_recovery_attempts=_ATTEMPTS)(_workflow(registry))
    DBOS(config=_config(settings.jobs_url, executor or socket.gethostname()))
    DBOS.launch()
    try:
        for queue, concurrency in QUEUES.items():
            DBOS.register_queue(queue, worker_concurrency=concurrency, polling_interval_sec=polling_s)
        _LOG.info("worker ready for %s", sorted(registry.functions))
        stop.wait()
    finally:
        DBOS.destroy(workflow_completion_timeout_sec=finish_s, destroy_registry=True)
        if stop.is_set() and _running:
            _LOG.warning("left unfinished until the next start: %s", sorted(_running))
            logging.shutdown()
            os._exit(0)


def _config(url: str, executor: str) -> DBOSConfig:
    return DBOSConfig(
        name=APPLICATION,
        system_database_url=url,
        executor_id=executor,
        application_version=VERSION,
        serializer=serializer(),
        log_level="WARNING",
    )


def _workflow(registry: Registry) -> Callable[..., Any]:
    """Return the workflow that does the job it is told to do."""

    def job(name: str, args: dict[str, Any]) -> Any:
        _running.add(_job_id())
        try:
            return registry.get(name)(**args)
        except MedHeartError as error:
            _LOG.warning("job %s %s failed: %s", name, _job_id(), error)
            raise
        except Exception:
            _LOG.exception("job %s %s failed", name, _job_id())
            raise
        finally:
            _running.discard(_job_id())
            _paces.pop(_job_id(), None)

    return job


def _not_logged_here(record: logging.LogRecord) -> bool:
    """Drop the library's traceback of a failed job: `_workflow` has logged the failure."""
    return not record.getMessage().startswith("Exception encountered in background workflow")


def _job_id() -> str:
    job_id: str | None = DBOS.workflow_id
    if job_id is None:
        raise JobError("progress and cancelling belong to a job, and no job is running here", code="no_job")
    return job_id


def _is_cancelled() -> bool:
    status = DBOS.get_workflow_status(_job_id())
    return status is not None and status.status == "CANCELLED"
