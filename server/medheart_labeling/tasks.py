"""Training and batch inference: durable jobs, told to stock clients as MONAI Label's tasks.

The label server only asks for the work; job workers do it. Nothing is lost when either restarts.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from medheart.errors import Busy, JobError, NotFound
from medheart.records import Job
from medheart.wire import service as wire
from medheart.wire.paths import without_paths
from medheart_labeling.notes import Notes
from medheart_labeling.training import train_stats

if TYPE_CHECKING:
    from medheart_jobs import Jobs

__all__ = ["Kind", "TaskQueue", "finished", "stock_task"]

Kind = Literal["train", "batch_infer"]
_JOBS: dict[Kind, str] = {"train": wire.TRAIN, "batch_infer": wire.SEGMENT}
_QUEUES: dict[Kind, Literal["jobs", "long"]] = {"train": "long", "batch_infer": "jobs"}
_WORDS = {
    "queued": "SUBMITTED",
    "running": "RUNNING",
    "succeeded": "DONE",
    "failed": "ERROR",
    "cancelled": "STOPPED",
}
_LATEST = 200
_TRAININGS = 20  # that `/info/` looks at
_LINES = 20


def stock_task(job: Job, request: dict[str, Any]) -> dict[str, Any]:
    """Return a job as stock MONAI Label tells a task, with what ours knows beyond.

    `details` are the latest words of the job (of a training its last 20 lines), `result` what it returned; of
    batch inference, what became of each image.
    """
    words = job.details.get("lines") or [job.message]
    details = without_paths([text for text in (*words, job.error) if text][-_LINES:])
    task = {
        "id": job.id,
        "status": _WORDS[job.state],
        "request": request,
        "start_ts": _local_time(job.created),
        "details": details,
        "done": job.done,
        "total": job.total,
        "position": job.position,
        "seconds_left": job.seconds_left,
    }
    if job.finished and (ended := job.details.get("progress", {}).get("at")):
        task["end_ts"] = _local_time(datetime.fromtimestamp(ended, UTC).isoformat())
    return task if job.result is None else {**task, "result": _per_image(job.result, request.get("studies"))}


def finished(task: dict[str, Any]) -> Any:
    """Return the result of a task that was waited for; raises JobError where it has none."""
    if task["status"] != "DONE":
        raise JobError("; ".join(task["details"]) or f"the task ended as {task['status']}", job=task["id"])
    return task.get("result")


def _per_image(result: Any, studies: dict[str, str] | None) -> Any:
    """Return the result by image id, where the job worked on the studies of images."""
    if not studies:
        return result
    found = {case["study"]: case for case in result["cases"]}
    return {image: found.get(study) for image, study in studies.items()}


class TaskQueue:
    """Tasks of stock clients over the job tables.

    A lock lets one caller at a time look what runs and ask for more.

    Parameters
    ----------
    jobs : Jobs
        Where the work is asked for.
    notes : Notes
        Where it is remembered what clients asked for.
    """

    def __init__(self, jobs: Jobs, notes: Notes) -> None:
        self._jobs = jobs
        self._notes = notes
        self._one_at_a_time = threading.Lock()

    def start(
        self, kind: Kind, arguments: dict[str, Any], *, request: dict[str, Any], enqueue: bool = False
    ) -> dict[str, Any]:
        """Ask for the work.

        Parameters
        ----------
        kind : str
            `train` or `batch_infer`.
        arguments : dict
            Of the job, see `medheart.wire.service`.
        request : dict
            What the client asked for; told back with the task. `studies` maps image to study ids.
        enqueue : bool
            Queue it behind what runs; otherwise one at a time is accepted, as in stock MONAI Label.

        Raises
        ------
        Busy
            If one runs or waits and `enqueue` is false.
        """
        with self._one_at_a_time:
            if not enqueue and self._open(kind):
                raise Busy(f"{kind} is running already; wait for it, or ask with enqueue=true", retry_after_s=30)
            job_id = self._jobs.enqueue(_JOBS[kind], arguments, queue=_QUEUES[kind])
            self._notes.update_info("task", job_id, request)
        return self._task(self._jobs.status(job_id))

    def latest(self, kind: Kind, *, only_running: bool = False) -> dict[str, Any]:
        """Return the newest task, or the one that runs; raises NotFound where there is none."""
        jobs = self._open(kind) if only_running else self._of(kind)
        if not jobs:
            raise NotFound(f"no {kind} task {'is running' if only_running else 'was ever asked for'}")
        return self._task(next((job for job in jobs if job.state == "running"), jobs[0]))

    def all(self, kind: Kind) -> list[dict[str, Any]]:
        """Return the tasks, oldest first; raises NotFound where there is none."""
        jobs = self._of(kind)
        if not jobs:
            raise NotFound(f"no {kind} task was ever asked for")
        return [self._task(job) for job in reversed(jobs)]

    def stop(self, kind: Kind) -> dict[str, Any] | None:
        """Stop all that run and wait; return the newest that was stopped, None where there was none."""
        stopped = [self._jobs.cancel(job.id) for job in self._open(kind)]
        return self._task(stopped[0]) if stopped else None

    def train_stats(self) -> dict[str, dict[str, Any]]:
        """Return by model how far its training is, or how its last one went, as `/info/` tells it.

        One that was stopped has left its queue, and is not told of.
        """
        found: dict[str, dict[str, Any]] = {}
        for job in self._asked_here("train", self._jobs.list(queue=_QUEUES["train"], limit=_TRAININGS)):
            stats = train_stats(job)
            if stats:
                found.setdefault(str(self._notes.info("task", job.id).get("model")), stats)
        return found

    def get(self, task: str) -> dict[str, Any]:
        """Return a task as it is now; raises NotFound."""
        return self._task(self._jobs.status(task))

    def wait(self, task: str, *, timeout_s: float) -> dict[str, Any]:
        """Return a task once it has ended, or as it is after `timeout_s`."""
        return self._task(self._jobs.wait(task, timeout_s=timeout_s))

    def _of(self, kind: Kind) -> list[Job]:
        return self._asked_here(kind, self._jobs.list(limit=_LATEST))

    def _asked_here(self, kind: Kind, jobs: list[Job]) -> list[Job]:
        # Others ask for the same jobs; a task is what was asked for here.
        return [job for job in jobs if job.name == _JOBS[kind] and self._notes.info("task", job.id)]

    def _open(self, kind: Kind) -> list[Job]:
        return [job for job in self._of(kind) if not job.finished]

    def _task(self, job: Job) -> dict[str, Any]:
        return stock_task(job, self._notes.info("task", job.id))


def _local_time(created: str) -> str:
    return datetime.fromisoformat(created).astimezone().strftime("%Y-%m-%d %H:%M:%S") if created else ""
