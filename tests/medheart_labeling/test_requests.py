"""Progress and cancelling of inferences, against the real server."""

from __future__ import annotations

import concurrent.futures
import http.client
import threading
import time
import uuid
from urllib.parse import urlsplit

import numpy as np
import pytest

from medheart.client import LabelServer
from medheart.errors import Cancelled, NotFound
from medheart.geometry import Geometry
from medheart.volume import Volume


@pytest.fixture(scope="module")
def slow_image(server):
    """Return an image on which the slow model works for some seconds."""
    grid = Geometry.from_parts(shape=(72, 72, 72), spacing=(1, 1, 1))
    return server.put_image(Volume(np.random.default_rng(3).normal(100, 20, grid.shape).astype(np.float32), grid, "MR"))


def wait_for(server, request, wanted, *, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        reply = server.call("GET", f"/medheart/requests/{request}")
        if reply.status_code == 200 and wanted(reply.json()):
            return reply.json()
        time.sleep(0.05)
    pytest.fail(f"{request}: {reply.status_code} {reply.text}")


def test_progress_is_told_and_a_cancelled_inference_ends_soon(server, slow_image):
    request = uuid.uuid4().hex
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.infer, "lung-nodule", slow_image, request_id=request)
        state = wait_for(server, request, lambda state: state["done"] > 0)
        assert state["state"] == "running"
        assert 0 < state["done"] < state["total"]
        assert server.call("DELETE", f"/medheart/requests/{request}").status_code == 200
        reply = running.result(timeout=20)
    assert (reply.status_code, reply.json()["code"]) == (499, "cancelled")
    assert wait_for(server, request, lambda state: state["state"] == "cancelled")


def test_a_second_inference_waits_in_the_queue(server, slow_image):
    first, second = uuid.uuid4().hex, uuid.uuid4().hex
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        pool.submit(server.infer, "lung-nodule", slow_image, request_id=first)
        wait_for(server, first, lambda state: state["state"] == "running")
        pool.submit(server.infer, "lung-nodule", slow_image, request_id=second)
        assert wait_for(server, second, lambda state: state["state"] == "queued")["position"] == 1
        for request in (second, first):
            server.call("DELETE", f"/medheart/requests/{request}")


def test_who_closes_the_connection_cancels(server, slow_image):
    host, request = urlsplit(server.url), uuid.uuid4().hex
    connection = http.client.HTTPConnection(host.hostname, host.port, timeout=60)
    connection.request("POST", f"/infer/lung-nodule?image={slow_image}&request_id={request}")
    wait_for(server, request, lambda state: state["state"] == "running")
    connection.close()
    state = wait_for(server, request, lambda state: state["state"] == "cancelled", seconds=20)
    assert state["done"] < state["total"]


def test_our_own_client_sees_progress_and_cancels(server, slow_image):
    client, seen, stop = LabelServer(server.url), [], threading.Event()

    def look(progress):
        seen.append(progress)
        if progress.done > 0:
            stop.set()

    with pytest.raises(Cancelled):
        client.infer("lung-nodule", slow_image, progress=look, cancelled=stop.is_set)
    assert seen[-1].total > seen[-1].done > 0


def test_an_unknown_request_is_not_found(server):
    assert LabelServer(server.url).request_state("nothing") is None
    assert server.call("DELETE", "/medheart/requests/nothing").status_code == 404
    with pytest.raises(NotFound):
        LabelServer(server.url).infer("nothing", "nothing")
