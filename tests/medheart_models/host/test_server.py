"""The host as a process: start, permissions, a full queue, stop, death."""

from __future__ import annotations

import stat
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from medheart.errors import Busy, MedHeartError, Unavailable


def segment_in_background(
    host: Any, tiny: ModuleType, **options: Any
) -> tuple[threading.Thread, list[Any], threading.Event]:
    """Run a slow request; return its thread, its outcome, and an event that is set when it runs."""
    outcome: list[Any] = []
    running = threading.Event()

    def run() -> None:
        with host.client() as client:
            try:
                outcome.append(
                    client.segment(
                        [tiny.bright_cube(size=options.get("size", 60))],
                        "tiny-slow",
                        progress=lambda state: running.set() if state.done else None,
                        cancelled=options.get("cancelled"),
                    )
                )
            except MedHeartError as error:
                outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome, running


def test_socket_is_the_owners_and_there_is_one(own_host: Callable[..., Any]) -> None:
    host = own_host()
    path = host.settings.host_socket
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    second = own_host(wait=False)
    assert second.process.wait(20) == 1
    assert "running already" in second.log.read_text()
    assert host.stop() == 0
    assert not path.exists()


def test_a_full_queue_is_429_with_a_time(own_host: Callable[..., Any], tiny: ModuleType) -> None:
    host = own_host(queue=1)
    stop = threading.Event()
    first, _, running = segment_in_background(host, tiny, cancelled=stop.is_set)
    assert running.wait(20)
    second, _, _ = segment_in_background(host, tiny, cancelled=stop.is_set)
    with host.client() as client:
        _wait_for(lambda: client.info()["queue"]["waiting"] == 1)
        with pytest.raises(Busy, match="1 requests are waiting") as caught:
            client.segment([tiny.bright_cube(size=60)], "tiny-slow")
    assert caught.value.details["retry_after_s"] >= 1
    with host.http() as http:
        digest = tiny.bright_cube(size=60).digest
        reply = http.post("/segment", json={"task": "tiny", "inputs": [{"digest": digest}]})
        assert (reply.status_code, reply.headers["Retry-After"]) == (429, str(caught.value.details["retry_after_s"]))
    stop.set()
    first.join(20)
    second.join(20)
    with host.client() as client:
        assert client.segment([tiny.bright_cube()], "tiny").labels.counts


def test_it_answers_while_it_computes(own_host: Callable[..., Any], tiny: ModuleType) -> None:
    host = own_host()
    stop = threading.Event()
    thread, _, running = segment_in_background(host, tiny, cancelled=stop.is_set)
    assert running.wait(20)
    seconds = []
    with host.http() as http:
        for _ in range(20):
            started = time.perf_counter()
            assert http.get("/info").json()["queue"]["running"]
            seconds.append(time.perf_counter() - started)
    stop.set()
    thread.join(20)
    assert sorted(seconds)[18] < 0.5


def test_sigterm_lets_the_running_request_end(own_host: Callable[..., Any], tiny: ModuleType) -> None:
    host = own_host()
    thread, outcome, running = segment_in_background(host, tiny, size=44)
    assert running.wait(20)
    waiting, refused, _ = segment_in_background(host, tiny)
    with host.client() as client:
        _wait_for(lambda: client.info()["queue"]["waiting"] == 1)
    assert host.stop() == 0
    thread.join(20)
    waiting.join(20)
    assert outcome[0].labels.counts
    assert isinstance(refused[0], Unavailable)
    assert not host.settings.host_socket.exists()


def test_a_killed_host_is_reported_and_can_be_started_again(own_host: Callable[..., Any], tiny: ModuleType) -> None:
    host = own_host()
    thread, outcome, running = segment_in_background(host, tiny)
    assert running.wait(20)
    host.process.kill()
    host.process.wait()
    thread.join(20)
    assert isinstance(outcome[0], Unavailable)
    assert "start it with" in outcome[0].message
    again = own_host()
    with again.client() as client:
        assert client.segment([tiny.bright_cube()], "tiny").labels.counts


def _wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
