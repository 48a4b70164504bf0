"""The tests of the job queue, with the job tables in the real PostgreSQL."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from medheart_jobs import Jobs

pytestmark = pytest.mark.services

Fresh = Callable[[], AbstractContextManager[str]]
EXISTING = Path(__file__).resolve().parent.parent / "medheart_jobs"
ABOUT_SQLITE = {
    "test_both_ends_write_json_and_never_pickle",
    "test_tables_that_cannot_be_opened_are_one_clear_error",
    "test_worker_has_written_json_only",
}


def load(name: str) -> dict[str, Any]:
    """Return the names of a module of the existing tests."""
    spec = importlib.util.spec_from_file_location(f"medheart_jobs_{name}", EXISTING / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)


WORKER = load("conftest")["_WORKER"]
_TESTS = {**load("test_client"), **load("test_worker")}
globals().update({name: _TESTS[name] for name in _TESTS if name.startswith("test_") and name not in ABOUT_SQLITE})
desk = _TESTS["desk"]


@pytest.fixture(scope="module")
def jobs_url(fresh_database: Fresh) -> Iterator[str]:
    with fresh_database() as url:
        yield url


@pytest.fixture
def queue(fresh_database: Fresh) -> Iterator[Jobs]:
    """Job tables that no worker looks at."""
    with fresh_database() as url, Jobs(url) as opened:
        yield opened


@pytest.fixture(scope="module")
def jobs(jobs_url: str) -> Iterator[Jobs]:
    with Jobs(jobs_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def start_worker(jobs_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Any]]:
    """Return a function that starts a worker; all are ended at last."""
    started: list[subprocess.Popen[bytes]] = []
    home = tmp_path_factory.mktemp("jobs")
    ours = {"MEDHEART_HOME": str(home), "MEDHEART_JOBS_URL": jobs_url, "OMP_NUM_THREADS": "1"}

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", WORKER], env={**os.environ, **ours}))
        return started[-1]

    yield start
    for worker in started:
        worker.kill()
        worker.wait()
    assert list(home.iterdir()) == [], "a worker on PostgreSQL makes no SQLite file"


def test_what_was_written_is_json(jobs: Jobs, desk: Any, jobs_url: str, tmp_path: Path) -> None:
    job = jobs.enqueue("count", {"parts": 1, "seconds": 0, "path": str(tmp_path / "log")})
    assert jobs.wait(job, timeout_s=60).state == "succeeded"
    with create_engine(jobs_url).connect() as connection:
        for table in ("workflow_status", "workflow_events", "operation_outputs"):
            found = set(connection.scalars(text(f"SELECT DISTINCT serialization FROM dbos.{table}")))
            assert "portable_json" in found
            assert found <= {"portable_json", None}
