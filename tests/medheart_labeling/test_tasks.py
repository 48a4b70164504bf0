"""Batch inference as MONAI Label's tasks, with a real job worker; for training see `test_training`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import anyio
import pytest
from starlette.requests import Request

from medheart.settings import Settings
from medheart_labeling.routes.work import _answer

WORKER = """
from medheart.settings import Settings
from medheart.wire import service as wire
from medheart_jobs import Registry, run_step, run_worker

registry = Registry()

@registry.job(wire.SEGMENT)
def segment(studies, task, author):
    def one(n, study):
        if n == 0:
            return {"study": study, "version": None, "error": {"code": "unreadable", "message": "damaged"}}
        return {"study": study, "version": f"version-of-{study}"}
    return {"cases": [run_step(one, n, study, name=study) for n, study in enumerate(studies)]}

run_worker(Settings.load(), registry, executor="test", polling_s=0.1)
"""


@pytest.fixture(scope="module")
def job_server(server):
    """Return the server with a job worker."""
    environment = {**os.environ, "MEDHEART_HOME": str(server.home)}
    log = server.home / "worker.log"
    with log.open("wb") as stream:
        process = subprocess.Popen([sys.executable, "-c", WORKER], env=environment, stdout=stream, stderr=stream)
    yield server
    process.terminate()
    try:
        process.wait(40)
    finally:
        process.kill()


def wait_for(server, path, wanted, *, seconds=60):
    until = time.monotonic() + seconds
    while (task := server.call("GET", path).json()).get("status") not in wanted:
        assert time.monotonic() < until, task
        time.sleep(0.1)
    return task


def test_one_failing_image_stops_no_batch(job_server, bright_cube):
    ids = [job_server.put_image(bright_cube()) for _ in range(2)]
    reply = job_server.call("POST", "/batch/infer/hippocampus?images=all", json={})
    assert reply.status_code == 200, reply.text
    task = wait_for(job_server, "/batch/infer", {"DONE"})
    assert set(ids) <= set(task["result"])
    failed = [image for image, case in task["result"].items() if case.get("error")]
    assert len(failed) == 1
    assert all(case["version"] for image, case in task["result"].items() if image not in failed)


def test_a_batch_can_be_waited_for(job_server, bright_cube):
    for _ in range(2):
        job_server.put_image(bright_cube())
    query = {"images": "unlabeled", "run_sync": "true"}
    reply = job_server.call("POST", "/batch/infer/hippocampus", params=query, json={"max_batch_size": 2})
    assert reply.status_code == 200, reply.text
    assert len(reply.json()) == 2
    bad = job_server.call("POST", "/batch/infer/hippocampus", params={"images": "some"})
    assert bad.status_code == 400


def test_nobody_waits_for_a_client_that_has_gone():
    async def receive():
        return {"type": "http.disconnect"}

    request = Request({"type": "http", "query_string": b"run_sync=true", "headers": []}, receive)
    # There is no backend to ask how far the task is: the answer is what was known.
    reply = anyio.run(_answer, request, None, {"id": "task", "status": "RUNNING"})
    assert json.loads(reply.body) == {"id": "task", "status": "RUNNING"}


def test_the_jobs_are_those_of_the_wire(job_server):
    """Tasks are told of what was asked for here only, though others ask for the same jobs."""
    from medheart_jobs import Jobs

    with Jobs(Settings(home=job_server.home).jobs_url) as jobs:
        job = jobs.enqueue("segment", {"studies": ["x"], "task": None, "author": "service"})
        jobs.wait(job, timeout_s=30)
    assert all(task["id"] != job for task in job_server.call("GET", "/batch/infer?all=true").json())
