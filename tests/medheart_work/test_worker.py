"""The job worker: one a home, private, and tidy about what people sent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from medheart.settings import Settings
from medheart.wire import service as wire
from medheart_jobs import Jobs
from medheart_work.readiness import PARTS, heartbeat

WAIT_S = 90
COMMAND = [sys.executable, "-m", "medheart_work.worker"]


def environment(settings: Settings) -> dict[str, str]:
    return {**os.environ, "MEDHEART_HOME": str(settings.home), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def start(settings: Settings) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Return a function that starts a worker under the usual umask, and returns once it says that it lives."""
    started: list[subprocess.Popen[bytes]] = []

    def begin() -> subprocess.Popen[bytes]:
        worker = subprocess.Popen(COMMAND, env=environment(settings), umask=0o022)
        started.append(worker)
        until(lambda: PARTS[-1].ready(settings) and heartbeat(settings).read_text() == str(worker.pid))
        return worker

    yield begin
    for worker in started:
        worker.kill()
        worker.wait()


def until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not look():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)


def test_an_upload_goes_however_its_job_ends_and_what_a_crash_left_goes_at_the_start(
    settings: Settings, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    uploads = settings.home / "uploads"
    for name in ("broken", "cancelled", "unknown"):
        (uploads / name).mkdir(parents=True)
        (uploads / name / "case.zip").write_bytes(b"no zip")
    (settings.home / "tmp" / "medheart-x").mkdir(parents=True)
    with Jobs(settings.jobs_url) as jobs:
        arguments = {"sha256": "", "choices": [], "one_study": False}
        job = jobs.enqueue(wire.IMPORT, {"upload": "broken", **arguments})
        jobs.cancel(jobs.enqueue(wire.IMPORT, {"upload": "cancelled", **arguments}))
        for name in ("broken", "cancelled", "unknown"):
            for path in (uploads / name / "case.zip", uploads / name):
                os.utime(path, (time.time() - 7200,) * 2)
        start()
        ended = jobs.wait(job, timeout_s=WAIT_S)
    assert ended.state == "failed"
    assert "zip" in ended.error
    assert list(uploads.iterdir()) == []
    assert list((settings.home / "tmp").iterdir()) == []


def test_a_home_has_one_worker_and_nobody_else_reads_it(
    settings: Settings, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    first = start()
    second = subprocess.run(
        COMMAND, check=False, env=environment(settings), capture_output=True, text=True, timeout=WAIT_S
    )
    assert second.returncode == 1
    assert second.stderr.splitlines()[-1].endswith("worker.lock: a job worker of this home is running already")
    assert first.poll() is None
    assert heartbeat(settings).read_text() == str(first.pid)
    until((settings.home / "jobs.sqlite").exists)
    for path in (settings.home, *settings.home.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
    first.kill()
    first.wait()
    assert start().poll() is None
