"""Jobs done by a real worker: progress, results, failures, cancelling, `kill -9`.

The tests run in this order on one set of job tables; each starts from a worker that is idle.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medheart.errors import JobError
from medheart.records import Job
from medheart_jobs import Jobs, Registry, report_progress
from medheart_work.supervise import _REVIVALS

Start = Callable[[], subprocess.Popen[bytes]]
WAIT_S = 60


class Desk:
    """A worker that can be replaced."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self.worker = start()

    def kill_and_restart(self) -> None:
        self.worker.kill()
        self.worker.wait()
        self.worker = self._start()


@pytest.fixture(scope="module")
def desk(start_worker: Start) -> Iterator[Desk]:
    desk = Desk(start_worker)
    yield desk
    desk.worker.kill()
    desk.worker.wait()


def _until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not look():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_job_is_done_and_reports(jobs: Jobs, desk: Desk, tmp_path: Path) -> None:
    log = tmp_path / "log"
    job = jobs.enqueue("count", {"parts": 4, "seconds": None, "path": str(log)})
    seen: list[Job] = []
    for part in range(4):
        _until(lambda part=part: f"start {part}" in _lines(log))  # type: ignore[misc]
        seen.append(jobs.status(job))
        with log.open("a") as stream:
            stream.write(f"go {part}\n")
    assert [(one.state, one.done, one.total, one.message) for one in seen] == [
        ("running", part, 4, f"part {part + 1}") for part in range(4)
    ]
    assert [one.seconds_left is not None and one.seconds_left >= 0 for one in seen[1:]] == [True] * 3
    last = jobs.wait(job, timeout_s=WAIT_S)
    assert (last.state, last.name, last.result) == ("succeeded", "count", {"results": [0, 1, 4, 9]})
    assert (last.done, last.total, last.message, last.error) == (4, 4, "done", "")


def test_a_job_that_knows_more_of_its_progress_says_so(jobs: Jobs, desk: Desk, tmp_path: Path) -> None:
    log = tmp_path / "log"
    job = jobs.enqueue("quarter", {"path": str(log)}, queue="long")
    _until(lambda: _lines(log) == ["told"])
    seen = jobs.status(job)
    assert seen.details == {"loss": 0.5}
    assert seen.seconds_left is not None
    assert 60 < seen.seconds_left <= 90
    assert job in {found.id for found in jobs.list(queue="long")}
    assert job not in {found.id for found in jobs.list(queue="jobs")}
    with log.open("a") as stream:
        stream.write("end\n")
    ended = jobs.wait(job, timeout_s=WAIT_S)
    assert (ended.state, ended.details, ended.seconds_left) == ("succeeded", {"loss": 0.5}, None)


def test_failures_say_what_went_wrong(jobs: Jobs, desk: Desk) -> None:
    asked = {name: jobs.enqueue(name, {}) for name in ("refuse", "break", "nonsense")}
    found = {name: jobs.wait(job, timeout_s=WAIT_S) for name, job in asked.items()}
    assert {job.state for job in found.values()} == {"failed"}
    assert found["refuse"].error == "file x.dcm is no image"
    assert found["break"].error == "KeyError: 'missing'"
    assert found["nonsense"].error.startswith(
        "no job 'nonsense'; this worker does ['between', 'break', 'count', 'deadly', 'endless'"
    )


def test_wrong_arguments_fail_the_job_not_the_worker(jobs: Jobs, desk: Desk) -> None:
    job = jobs.wait(jobs.enqueue("count", {"parts": 1}), timeout_s=WAIT_S)
    assert job.state == "failed"
    assert "missing 2 required positional arguments: 'seconds' and 'path'" in job.error


@pytest.mark.parametrize("report", [False, True])
def test_cancelled_step_can_tidy_up(jobs: Jobs, desk: Desk, tmp_path: Path, report: bool) -> None:
    log = tmp_path / "log"
    job = jobs.enqueue("watchful", {"path": str(log), "report": report})
    _until(lambda: _lines(log) == ["running"])
    assert jobs.cancel(job).state == "cancelled"
    _until(lambda: _lines(log) == ["running", "tidied up"])
    assert jobs.status(job).state == "cancelled"


def test_cancelled_job_ends_between_steps(jobs: Jobs, desk: Desk, tmp_path: Path) -> None:
    first = jobs.enqueue("between", {"path": str(tmp_path / "log")})
    _until(lambda: _lines(tmp_path / "log") == ["running"])
    waiting = jobs.enqueue("count", {"parts": 1, "seconds": 0, "path": str(tmp_path / "next")})
    assert jobs.status(waiting).position == 1
    jobs.cancel(first)
    assert jobs.wait(waiting, timeout_s=WAIT_S).state == "succeeded"
    assert jobs.status(first).state == "cancelled"


def test_cancelled_while_queued_is_never_started(jobs: Jobs, desk: Desk, tmp_path: Path) -> None:
    busy = jobs.enqueue("count", {"parts": 2, "seconds": 0.4, "path": str(tmp_path / "busy")})
    _until(lambda: jobs.status(busy).state == "running")
    queued = jobs.enqueue("count", {"parts": 1, "seconds": 0, "path": str(tmp_path / "never")})
    assert jobs.cancel(queued).state == "cancelled"
    assert jobs.wait(busy, timeout_s=WAIT_S).state == "succeeded"
    assert jobs.cancel(busy).state == "succeeded"
    assert _lines(tmp_path / "never") == []


def test_key_makes_one_run_of_two_requests(jobs: Jobs, desk: Desk, tmp_path: Path) -> None:
    args = {"parts": 1, "seconds": 0, "path": str(tmp_path / "log")}
    first = jobs.enqueue("count", args, key="study-1")
    assert jobs.enqueue("count", args, key="study-1") == first == "study-1"
    assert jobs.wait(first, timeout_s=WAIT_S).state == "succeeded"
    assert jobs.enqueue("count", args, key="study-1") == first
    time.sleep(0.5)
    assert _lines(tmp_path / "log") == ["start 0", "end 0"]


def test_long_work_does_not_hold_up_the_rest(jobs: Jobs, desk: Desk, tmp_path: Path) -> None:
    long = jobs.enqueue("between", {"path": str(tmp_path / "long")}, queue="long")
    _until(lambda: _lines(tmp_path / "long") == ["running"])
    short = jobs.enqueue("count", {"parts": 1, "seconds": 0, "path": str(tmp_path / "short")})
    assert jobs.wait(short, timeout_s=WAIT_S).state == "succeeded"
    assert jobs.status(long).state == "running"
    jobs.cancel(long)


def test_killed_worker_goes_on_at_the_first_unfinished_step(jobs: Jobs, desk: Desk, tmp_path: Path) -> None:
    log = tmp_path / "log"
    job = jobs.enqueue("count", {"parts": 4, "seconds": 0.3, "path": str(log)})
    _until(lambda: "start 2" in _lines(log))
    desk.kill_and_restart()
    done = jobs.wait(job, timeout_s=WAIT_S)
    assert (done.state, done.result) == ("succeeded", {"results": [0, 1, 4, 9]})
    assert _lines(log) == ["start 0", "end 0", "start 1", "end 1", "start 2", "start 2", "end 2", "start 3", "end 3"]


def test_job_that_waited_while_no_worker_was_there_is_done(jobs: Jobs, desk: Desk, tmp_path: Path) -> None:
    desk.worker.send_signal(signal.SIGTERM)
    assert desk.worker.wait(timeout=WAIT_S) == 0
    job = jobs.enqueue("count", {"parts": 1, "seconds": 0, "path": str(tmp_path / "log")})
    assert jobs.status(job).state == "queued"
    desk.kill_and_restart()
    assert jobs.wait(job, timeout_s=WAIT_S).state == "succeeded"


def test_worker_that_is_asked_to_stop_finishes_what_it_does(jobs: Jobs, desk: Desk, tmp_path: Path) -> None:
    log = tmp_path / "log"
    job = jobs.enqueue("count", {"parts": 2, "seconds": 0.5, "path": str(log)})
    _until(lambda: "start 0" in _lines(log))
    desk.worker.send_signal(signal.SIGTERM)
    assert desk.worker.wait(timeout=WAIT_S) == 0
    assert jobs.status(job).state == "succeeded"


def test_worker_leaves_a_step_that_does_not_end_and_goes_on_later(jobs: Jobs, desk: Desk, tmp_path: Path) -> None:
    desk.kill_and_restart()
    log = tmp_path / "log"
    job = jobs.enqueue("endless", {"path": str(log)})
    _until(lambda: _lines(log) == ["started"])
    desk.worker.send_signal(signal.SIGTERM)
    assert desk.worker.wait(timeout=20) == 0
    assert jobs.status(job).state == "running"
    desk.kill_and_restart()
    done = jobs.wait(job, timeout_s=WAIT_S)
    assert (done.state, done.result) == ("succeeded", "awake")


def test_a_job_that_kills_its_worker_is_given_up_before_the_worker_is(jobs: Jobs, desk: Desk, tmp_path: Path) -> None:
    log, deaths = tmp_path / "log", 0
    deadly = jobs.enqueue("deadly", {"path": str(log)})
    while not jobs.status(deadly).finished:
        _until(lambda: desk.worker.poll() is not None or jobs.status(deadly).finished)
        if desk.worker.poll() is not None:
            deaths += 1
            assert deaths <= _REVIVALS, "a supervisor would have given up by now"
            desk.kill_and_restart()
    given_up = jobs.status(deadly)
    assert (given_up.state, len(_lines(log))) == ("failed", deaths)
    assert "the worker died" in given_up.error
    after = jobs.enqueue("count", {"parts": 1, "seconds": 0, "path": str(tmp_path / "after")})
    assert jobs.wait(after, timeout_s=WAIT_S).state == "succeeded"


def test_worker_has_written_json_only(jobs: Jobs, desk: Desk, home: Path) -> None:
    with sqlite3.connect(home / "jobs.sqlite") as database:
        for table in ("workflow_status", "workflow_events", "operation_outputs"):
            found = {word for (word,) in database.execute(f"SELECT DISTINCT serialization FROM {table}")}
            assert "portable_json" in found
            assert found <= {"portable_json", None}


def test_progress_outside_a_job_is_an_error() -> None:
    with pytest.raises(JobError, match="belong to a job"):
        report_progress(1, 2)


def test_a_job_is_registered_once() -> None:
    registry = Registry()
    registry.job("one")(len)
    with pytest.raises(JobError, match="two jobs named 'one'"):
        registry.job("one")(len)
