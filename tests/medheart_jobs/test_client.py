"""The side that asks: what is accepted, how the queue looks, what is on disk."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from dbos import DBOSPortableJSONSerializer

import medheart_jobs
from medheart.errors import Conflict, JobError, NotFound, Unavailable
from medheart_jobs import Jobs
from medheart_jobs.worker import _config


@pytest.fixture
def queue(tmp_path: Path) -> Jobs:
    """Job tables that no worker looks at."""
    return Jobs(f"sqlite:///{tmp_path / 'new/folder/jobs.sqlite'}")


def test_public_names_are_there() -> None:
    assert medheart_jobs.__all__ == sorted(medheart_jobs.__all__)
    assert all(hasattr(medheart_jobs, name) for name in medheart_jobs.__all__)


def test_both_ends_write_json_and_never_pickle(queue: Jobs, tmp_path: Path) -> None:
    assert isinstance(queue._client._serializer, DBOSPortableJSONSerializer)
    assert isinstance(_config("sqlite:///x", "worker-1")["serializer"], DBOSPortableJSONSerializer)
    queue.enqueue("segment", {"image": "影像-1"})
    with sqlite3.connect(tmp_path / "new/folder/jobs.sqlite") as database:
        assert database.execute("SELECT DISTINCT serialization FROM workflow_status").fetchall() == [("portable_json",)]
        (stored,) = database.execute("SELECT inputs FROM workflow_input").fetchone()
        assert json.loads(stored)["namedArgs"] == {"name": "segment", "args": {"image": "影像-1"}}
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_queue_has_places_by_priority(queue: Jobs) -> None:
    late = queue.enqueue("segment", {"image": "a"}, priority=200)
    normal = queue.enqueue("segment", {"image": "b"})
    urgent = queue.enqueue("segment", {"image": "c"}, priority=1)
    elsewhere = queue.enqueue("train", {}, queue="long")
    assert [queue.status(job).position for job in (urgent, normal, late, elsewhere)] == [1, 2, 3, 1]
    assert {job.id for job in queue.list()} == {late, normal, urgent, elsewhere}
    assert {job.name for job in queue.list(state="queued")} == {"segment", "train"}
    assert len(queue.list(limit=2)) == 2
    assert queue.list(state="failed") == []
    queue.cancel(urgent)
    assert queue.status(normal).position == 1
    assert queue.status(urgent).state == "cancelled"


def test_key_of_another_request_is_a_conflict(queue: Jobs) -> None:
    queue.enqueue("segment", {"image": "a", "options": (1, 2)}, key="k")
    queue.enqueue("segment", {"image": "a", "options": [1, 2]}, key="k")
    for name, args in (("segment", {"image": "b", "options": [1, 2]}), ("train", {"image": "a", "options": [1, 2]})):
        with pytest.raises(Conflict, match="'k' was used for job 'segment'") as caught:
            queue.enqueue(name, args, key="k")
        assert caught.value.code == "key_reused"


def test_arrays_and_bulk_are_refused(queue: Jobs) -> None:
    with pytest.raises(JobError, match=r"'segment' are not JSON.*ndarray"):
        queue.enqueue("segment", {"array": np.zeros(3)})
    with pytest.raises(JobError, match="pass ids, not contents"):
        queue.enqueue("segment", {"text": "x" * 70_000})
    assert queue.list() == []


def test_bad_priority_and_unknown_jobs_are_refused(queue: Jobs) -> None:
    with pytest.raises(JobError, match="priority"):
        queue.enqueue("segment", {}, priority=0)
    for call in (lambda: queue.status("none"), lambda: queue.cancel("none")):
        with pytest.raises(NotFound, match="'none'"):
            call()


def test_tables_that_cannot_be_opened_are_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").mkdir()
    with pytest.raises(Unavailable, match=r"jobs\.sqlite.*do not answer"):
        Jobs(f"sqlite:///{tmp_path / 'jobs.sqlite'}")


def test_waiting_gives_up_in_time(queue: Jobs) -> None:
    job = queue.enqueue("segment", {})
    assert queue.wait(job, timeout_s=0.3).state == "queued"
