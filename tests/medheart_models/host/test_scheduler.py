"""Order, ends and bounds of the queue, with an engine that the test steps through."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from medheart import LabelMap, Volume
from medheart.errors import Busy, Cancelled, Conflict, NotFound, Unavailable
from medheart.schema import load_schema
from medheart.task import Task
from medheart.wire.host import ImageRef, SegmentRequest, SegmentState
from medheart_models.host.images import ImageStore
from medheart_models.host.scheduler import Scheduler
from medheart_models.predict import Prediction


class SteppedEngine:
    """Four tiles a request, each waits until the test allows it; notes the order of tiles."""

    def __init__(self, unloadable: BaseException | None = None) -> None:
        self.unloadable = unloadable
        self.allowed = threading.Semaphore(0)
        self.tiles: list[str] = []
        self.loaded: list[str] = []

    def load(self, task: Task) -> SteppedEngine:
        self.loaded.append(task.id)
        if self.unloadable is not None:
            raise self.unloadable
        return self

    device = "stepped"

    def segment(
        self,
        volumes: Sequence[Volume],
        task: Task,
        *,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Prediction:
        assert progress is not None
        assert cancelled is not None
        name = volumes[0].meta["name"]
        if name == "broken":
            raise ZeroDivisionError("what no one foresaw")
        for tile in range(4):
            progress(tile, 4)
            if cancelled():
                raise Cancelled("stepped")
            self.allowed.acquire()
            self.tiles.append(name)
        labels = LabelMap(np.zeros(volumes[0].array.shape, np.uint8), volumes[0].geometry, load_schema("hippocampus"))
        return Prediction(labels, task.id, task.origin, task.status, self.device)


class Bench:
    """A scheduler with its engine and one image."""

    def __init__(self, tiny: ModuleType, *, unloadable: BaseException | None = None, **options: Any) -> None:
        self.tiny = tiny
        self.engine = SteppedEngine(unloadable)
        self.volume = tiny.bright_cube()
        self.images = ImageStore(1 << 20)
        with self.images.reserve(self.volume.array.nbytes):
            self.images.put(self.volume.digest, self.volume)
        self.scheduler = Scheduler(self.engine, self.images, warm=[tiny.TINY], **options)
        self.scheduler.start()

    def ask(self, name: str, priority: str = "interactive") -> str:
        ref = ImageRef(self.volume.digest, "MR", {"name": name})
        request = SegmentRequest("tiny", (ref,), priority, name)  # type: ignore[arg-type]
        return self.scheduler.submit(request, self.tiny.TINY).id

    def allow(self, tiles: int) -> None:
        self.engine.allowed.release(tiles)

    def wait(self, request: str, condition: Callable[[SegmentState], bool]) -> SegmentState:
        until = time.monotonic() + 10
        while not condition(state := self.scheduler.state(request)):
            assert time.monotonic() < until, state
            time.sleep(0.005)
        return state

    def wait_ended(self, request: str) -> SegmentState:
        return self.wait(request, lambda state: state.ended)

    def pinned(self) -> int:
        return sum(self.images._pins.values())


@pytest.fixture
def bench(tiny: ModuleType) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(**options: Any) -> Bench:
        made.append(Bench(tiny, **options))
        return made[-1]

    yield make
    for each in made:
        each.allow(100)
        each.scheduler.close()
        assert not each.scheduler._thread.is_alive()
        assert each.pinned() == 0


def test_people_first_then_first_come(bench: Callable[..., Bench]) -> None:
    b = bench()
    a = b.ask("a")
    b.wait(a, lambda state: state.state == "running")
    batch, c, d = b.ask("batch", "batch"), b.ask("c"), b.ask("d")
    assert [b.scheduler.state(x).position for x in (a, c, d, batch)] == [0, 1, 2, 3]
    b.allow(16)
    b.wait_ended(batch)
    assert b.engine.tiles == [*"aaaaccccdddd", *["batch"] * 4]


def test_a_running_batch_lets_people_in_at_every_tile(bench: Callable[..., Bench]) -> None:
    b = bench()
    batch = b.ask("batch", "batch")
    b.allow(1)
    b.wait(batch, lambda state: state.done == 1)
    other, person = b.ask("other", "batch"), b.ask("person")
    b.allow(11)
    b.wait_ended(other)
    assert b.engine.tiles == ["batch", "batch", *["person"] * 4, "batch", "batch", *["other"] * 4]
    assert b.scheduler.state(person).state == "done"


def test_cancelling_a_waiting_request_moves_the_others_up(bench: Callable[..., Bench]) -> None:
    b = bench()
    b.wait(b.ask("a"), lambda state: state.state == "running")
    c, d = b.ask("c"), b.ask("d")
    before = b.scheduler.state(d)
    b.scheduler.cancel(c)
    after = b.scheduler.state(d)
    assert (before.position, after.position) == (2, 1)
    assert after.revision > before.revision
    ended = b.scheduler.state(c)
    assert ended.state == "cancelled"
    assert ended.error is not None
    assert ended.error["kind"] == "Cancelled"


def test_cancelling_a_running_request_ends_it_at_the_next_tile(bench: Callable[..., Bench]) -> None:
    b = bench()
    a = b.ask("a")
    b.allow(1)
    b.wait(a, lambda state: state.done == 1)
    b.scheduler.cancel(a)
    assert b.scheduler.state(a).state == "running"
    b.allow(1)
    assert b.wait_ended(a).state == "cancelled"
    assert b.engine.tiles == ["a", "a"]
    with pytest.raises(Conflict, match="is cancelled"):
        b.scheduler.result(a)


def test_an_abandoned_request_ends(bench: Callable[..., Bench]) -> None:
    b = bench(abandoned_s=0.3)
    a, c = b.ask("a"), b.ask("c")
    b.wait(a, lambda state: state.state == "running")
    time.sleep(0.5)
    b.allow(100)
    until = time.monotonic() + 10
    while not b.scheduler.idle:  # asking for a state would keep the request alive
        assert time.monotonic() < until
        time.sleep(0.01)
    for request in (a, c):
        state = b.scheduler.state(request)
        assert state.state == "cancelled"
        assert state.error is not None
        assert state.error["message"] == "the client went away"
    assert b.engine.tiles == ["a"]


def test_abandoned_requests_take_no_room(bench: Callable[..., Bench]) -> None:
    b = bench(capacity=3, abandoned_s=0.3)
    running = b.ask("running")
    b.wait(running, lambda state: state.state == "running")
    gone = [b.ask(name) for name in "abc"]
    with pytest.raises(Busy):
        b.ask("d")
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        b.scheduler.state(running)
        time.sleep(0.01)
    person, other = b.ask("person"), b.ask("other", "batch")
    assert [b.scheduler.state(x).position for x in (person, other)] == [1, 2]
    assert all(b.scheduler.state(request).state == "cancelled" for request in gone)
    b.allow(100)
    assert b.wait_ended(person).state == "done"


def test_a_network_that_cannot_be_loaded_stops_nothing(bench: Callable[..., Bench]) -> None:
    b = bench(unloadable=AssertionError("no such device"))
    a = b.ask("a")
    b.allow(4)
    assert b.wait_ended(a).state == "done"
    until = time.monotonic() + 5
    while b.scheduler.info()["networks"] != {"tiny": "AssertionError: no such device"}:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert not b.scheduler.broken


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nobody_waits_for_an_inference_thread_that_is_gone(bench: Callable[..., Bench]) -> None:
    b = bench(unloadable=KeyboardInterrupt())
    until = time.monotonic() + 5
    while not b.scheduler.broken:
        assert time.monotonic() < until
        time.sleep(0.01)
    with pytest.raises(Unavailable):
        b.ask("a")


def test_what_no_one_foresaw_fails_one_request_only(bench: Callable[..., Bench]) -> None:
    b = bench()
    broken, good = b.ask("broken"), b.ask("good")
    b.allow(4)
    state = b.wait_ended(broken)
    assert state.error is not None
    assert state.error["code"] == "inference_failed"
    assert "ZeroDivisionError: what no one foresaw" in state.error["message"]
    assert b.wait_ended(good).state == "done"


def test_results_are_bounded(bench: Callable[..., Bench]) -> None:
    b = bench(results_limit=3 * 12**3)
    b.allow(100)
    requests = [b.ask(str(n)) for n in range(5)]
    b.wait_ended(requests[-1])
    for request in requests[:2]:
        with pytest.raises(NotFound, match="forgotten"):
            b.scheduler.result(request)
    assert all(b.scheduler.result(request).task == "tiny" for request in requests[2:])
    b.scheduler.cancel(requests[-1])
    with pytest.raises(NotFound):
        b.scheduler.state(requests[-1])


def test_draining_ends_the_waiting_and_keeps_the_running(bench: Callable[..., Bench]) -> None:
    b = bench()
    a = b.ask("a")
    b.wait(a, lambda state: state.state == "running")
    c = b.ask("c")
    b.scheduler.drain()
    error = b.scheduler.state(c).error
    assert error is not None
    assert error["kind"] == "Unavailable"
    with pytest.raises(Unavailable):
        b.ask("d")
    assert not b.scheduler.idle
    b.allow(4)
    assert b.wait_ended(a).state == "done"


def test_networks_are_loaded_while_nobody_waits(bench: Callable[..., Bench]) -> None:
    b = bench()
    until = time.monotonic() + 5
    while b.scheduler.info()["networks"] != {"tiny": "stepped"}:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert b.engine.loaded == ["tiny"]
