"""The side that asks for work: enqueue, look, cancel."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast

from dbos import DBOSClient, EnqueueOptions, PortableWorkflowError, WorkflowStatus
from dbos import error as dbos_error
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from medheart.errors import Conflict, JobError, NotFound, Unavailable
from medheart.records import Job, JobState
from medheart.wire.paths import without_paths
from medheart_jobs.tables import APPLICATION, PROGRESS, WORKFLOW, QueueName, prepare, serializer

__all__ = ["Jobs"]

_STATES: dict[str, JobState] = {
    "DELAYED": "queued",
    "ENQUEUED": "queued",
    "PENDING": "running",
    "SUCCESS": "succeeded",
    "ERROR": "failed",
    "CANCELLED": "cancelled",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
}
_MAX_ARGUMENT_BYTES = 64 * 1024
_POLL_S = 0.2


class Jobs:
    """The job tables at a SQLAlchemy URL; made if they are not there.

    Parameters
    ----------
    url : str
        `Settings.jobs_url`.

    Raises
    ------
    Unavailable
        If the database does not answer.
    """

    def __init__(self, url: str) -> None:
        self._shown = make_url(url).render_as_string(hide_password=True)
        prepare(url)
        self._client = DBOSClient(
            system_database_url=url,
            serializer=serializer(),
            application_name=APPLICATION,
            retry_connection_errors=False,
        )

    def enqueue(
        self,
        name: str,
        args: dict[str, Any],
        *,
        key: str | None = None,
        priority: int = 100,
        queue: QueueName = "jobs",
    ) -> str:
        """Ask for a job; return its id.

        Parameters
        ----------
        name : str
            As the worker's registry names it.
        args : dict
            Keyword arguments of the job, JSON-serialisable and small: ids and digests.
        key : str, optional
            Idempotency key: asking twice with it is asking once.
        priority : int
            1 (first) to 2147483647.
        queue : str
            `jobs`, or `long` for what takes hours.

        Raises
        ------
        JobError
            If the arguments are not JSON or too large.
        Conflict
            If the key was used for another job or other arguments.
        """
        _check_arguments(name, args)
        options = EnqueueOptions(
            workflow_name=WORKFLOW, queue_name=queue, workflow_id=key or uuid.uuid4().hex, priority=priority
        )
        with self._translated():
            job_id = str(self._client.enqueue(options, name=name, args=args).get_workflow_id())
            if key is not None:
                self._check_same(key, name, args)
        return job_id

    def status(self, job_id: str) -> Job:
        """Return a job as it is now; raises NotFound."""
        with self._translated():
            return self._job(self._workflow(job_id), self._waiting())

    def list(self, *, state: JobState | None = None, queue: QueueName | None = None, limit: int = 100) -> list[Job]:
        """Return the latest jobs, newest first, at most `limit`; `state` and `queue` keep those of one.

        A cancelled job is in no queue.
        """
        wanted = [word for word, meaning in _STATES.items() if state in (None, meaning)]
        with self._translated():
            found = self._client.list_workflows(
                status=wanted, queue_name=queue, limit=limit, sort_desc=True, application_name=APPLICATION
            )
            waiting = self._waiting()
            return [self._job(workflow, waiting) for workflow in found]

    def arguments(self, job_id: str) -> dict[str, Any]:
        """Return the arguments that a job was asked with; raises NotFound."""
        with self._translated():
            return dict(_arguments(self._workflow(job_id))["args"])

    def unfinished(self) -> tuple[dict[str, Any], ...]:
        """Return the arguments of every job that waits or runs."""
        words = [word for word, meaning in _STATES.items() if meaning in ("queued", "running")]
        with self._translated():
            found = self._client.list_workflows(status=words, application_name=APPLICATION, load_output=False)
            return tuple(dict(_arguments(workflow)["args"]) for workflow in found)

    def cancel(self, job_id: str) -> Job:
        """Cancel a job and return it; a running one ends at its next step or its next look at `cancelled`.

        A job that is done stays as it is. Raises NotFound.
        """
        with self._translated():
            self._workflow(job_id)
            self._client.cancel_workflow(job_id)
        return self.status(job_id)

    def wait(self, job_id: str, *, timeout_s: float) -> Job:
        """Return a job once it has finished, or as it is after `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        while not (job := self.status(job_id)).finished and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return job

    def close(self) -> None:
        """Close the connections."""
        self._client.destroy()

    def __enter__(self) -> Jobs:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _workflow(self, job_id: str) -> WorkflowStatus:
        found = self._client.list_workflows(workflow_ids=[job_id], application_name=APPLICATION)
        if not found:
            raise NotFound(f"no job {job_id!r}", job=job_id)
        return found[0]

    def _waiting(self) -> dict[str, int]:
        """Return the place of every queued job in its queue, the next one 1."""
        queued = self._client.list_queued_workflows(
            status="ENQUEUED", load_input=False, load_output=False, application_name=APPLICATION
        )
        queued.sort(key=lambda workflow: (workflow.priority or 0, workflow.created_at or 0))
        places: dict[str, int] = {}
        lengths: dict[str | None, int] = {}
        for workflow in queued:
            places[workflow.workflow_id] = lengths[workflow.queue_name] = lengths.get(workflow.queue_name, 0) + 1
        return places

    def _job(self, workflow: WorkflowStatus, waiting: dict[str, int]) -> Job:
        state = _STATES[workflow.status]
        event = None
        if state != "queued":
            event = self._client.get_event(workflow.workflow_id, PROGRESS, timeout_seconds=0)
        progress = cast(dict[str, Any], event or {})
        return Job(
            id=workflow.workflow_id,
            name=_arguments(workflow)["name"],
            state=state,
            position=waiting.get(workflow.workflow_id, 0) if state == "queued" else 0,
            done=progress.get("done", 0),
            total=progress.get("total", 0),
            seconds_left=_seconds_left(progress) if state == "running" else None,
            message=progress.get("message", ""),
            details=progress.get("details", {}),
            result=workflow.output if state == "succeeded" else None,
            error=_error(workflow) if state == "failed" else "",
            error_code=_error_code(workflow) if state == "failed" else "",
            created=datetime.fromtimestamp((workflow.created_at or 0) / 1000, UTC).isoformat(timespec="milliseconds"),
        )

    def _check_same(self, key: str, name: str, args: dict[str, Any]) -> None:
        earlier = _arguments(self._workflow(key))
        plain = serializer()
        if earlier != plain.deserialize(plain.serialize({"name": name, "args": args})):
            raise Conflict(
                f"the key {key!r} was used for job {earlier['name']!r} with other arguments", code="key_reused", key=key
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise Unavailable(
                f"the job tables at {self._shown} do not answer: {error}", code="jobs_database"
            ) from error
        except dbos_error.DBOSException as error:
            raise JobError(str(error)) from error


def _check_arguments(name: str, args: dict[str, Any]) -> None:
    try:
        size = len(serializer().serialize(args).encode())
    except TypeError as error:
        raise JobError(f"the arguments of job {name!r} are not JSON: {error}", code="bad_arguments") from error
    if size > _MAX_ARGUMENT_BYTES:
        raise JobError(
            f"the arguments of job {name!r} take {size} bytes, at most {_MAX_ARGUMENT_BYTES} are accepted: "
            "pass ids, not contents",
            code="bad_arguments",
        )


def _arguments(workflow: WorkflowStatus) -> dict[str, Any]:
    return dict(workflow.input["kwargs"]) if workflow.input else {"name": "", "args": {}}


def _seconds_left(progress: dict[str, Any]) -> float | None:
    left = progress.get("left")
    return None if left is None else max(0.0, left - (time.time() - progress["at"]))


def _error(workflow: WorkflowStatus) -> str:
    if workflow.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        return f"given up: the worker died {workflow.recovery_attempts or 0} times while doing it"
    error = workflow.error
    if isinstance(error, PortableWorkflowError) and isinstance(error.code, str):
        return without_paths(str(error.message))
    name = error.name if isinstance(error, PortableWorkflowError) else type(error).__name__
    return without_paths(f"{name}: {error}")


def _error_code(workflow: WorkflowStatus) -> str:
    code = workflow.error.code if isinstance(workflow.error, PortableWorkflowError) else None
    return code if isinstance(code, str) else ""
