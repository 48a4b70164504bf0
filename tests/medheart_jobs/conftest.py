"""A real worker in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medheart.settings import Settings
from medheart_jobs import Jobs

_WORKER = """
import os, sys, time
from pathlib import Path
from medheart.errors import Cancelled, ImageRejected
from medheart.settings import Settings
from medheart_jobs import Registry, cancelled, report_progress, run_step, run_worker

registry = Registry()

def note(path, line):
    with Path(path).open("a") as stream:
        print(line, file=stream, flush=True)

def wait_for(path, line):
    while line not in Path(path).read_text().splitlines():
        time.sleep(0.02)

@registry.job("count")
def count(parts, seconds, path):
    results = []
    for part in range(parts):
        report_progress(part, parts, f"part {part + 1}")
        results.append(run_step(one_part, part, seconds, path))
    report_progress(parts, parts, "done")
    return {"results": results}

def one_part(part, seconds, path):
    note(path, f"start {part}")
    if seconds is None:
        wait_for(path, f"go {part}")
    else:
        time.sleep(seconds)
    note(path, f"end {part}")
    return part * part

@registry.job("watchful")
def watchful(path, report):
    return run_step(watch, path, report)

def watch(path, report):
    try:
        for turn in range(1000):
            if report:
                report_progress(turn, 1000)
            elif cancelled():
                raise Cancelled("stopped by a person")
            if turn == 0:
                note(path, "running")
            time.sleep(0.02)
    except Cancelled:
        note(path, "tidied up")
        raise

@registry.job("between")
def between(path):
    note(path, "running")
    while not cancelled():
        time.sleep(0.1)

@registry.job("quarter")
def quarter(path):
    return run_step(tell_details, path)

def tell_details(path):
    report_progress(1, 4, "quarter", seconds_left=90, details={"loss": 0.5})
    note(path, "told")
    while len(Path(path).read_text().splitlines()) == 1:
        time.sleep(0.02)

@registry.job("refuse")
def refuse():
    raise ImageRejected("file x.dcm is no image", path="x.dcm")

@registry.job("break")
def broken():
    return run_step(lambda: {}["missing"], name="look")

@registry.job("deadly")
def deadly(path):
    note(path, "started")
    os._exit(9)

@registry.job("endless")
def endless(path):
    return run_step(sleep_the_first_time, path)

def sleep_the_first_time(path):
    note(path, "started")
    if len(Path(path).read_text().splitlines()) == 1:
        time.sleep(60)
    return "awake"

run_worker(Settings.load(), registry, executor="worker-1", polling_s=0.1, finish_s=3)
"""


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="session")
def start_worker(home: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Return a function that starts a worker; all are ended at last."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        environment = {**os.environ, "MEDHEART_HOME": str(home), "OMP_NUM_THREADS": "1"}
        started.append(subprocess.Popen([sys.executable, "-c", _WORKER], env=environment))
        return started[-1]

    yield start
    for worker in started:
        worker.kill()
        worker.wait()


@pytest.fixture(scope="session")
def jobs(home: Path) -> Iterator[Jobs]:
    with Jobs(Settings(home=home).jobs_url) as opened:
        yield opened
