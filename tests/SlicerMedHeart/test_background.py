from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from MedHeartLib.Background import Background

from medheart.errors import Busy, Cancelled


def pollUntil(background: Background, done: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end, "the work did not end"
        background.poll()
        time.sleep(0.005)


def test_progress_and_result_come_in_order_on_the_thread_that_polls() -> None:
    background, seen, threads = Background(), [], set()

    def note(value: Any) -> None:
        seen.append(value)
        threads.add(threading.current_thread())

    def work(report: Callable[[Any], None], _cancelled: Callable[[], bool]) -> str:
        threads.add(threading.current_thread())
        for n in range(3):
            report(n)
        return "end"

    background.start(work, progressed=note, finished=note, failed=note)
    assert background.isRunning
    pollUntil(background, lambda: "end" in seen)
    assert seen == [0, 1, 2, "end"]
    assert not background.isRunning
    assert len(threads) == 2


def test_an_exception_arrives_as_it_was_raised() -> None:
    background, failures = Background(), []

    def work(_report: Any, _cancelled: Any) -> None:
        raise ValueError("broken")

    background.start(work, progressed=failures.append, finished=failures.append, failed=failures.append)
    pollUntil(background, lambda: bool(failures))
    assert isinstance(failures[0], ValueError)


def test_cancel_reaches_the_work_and_only_one_runs_at_a_time() -> None:
    background, failures = Background(), []

    def work(_report: Any, cancelled: Callable[[], bool]) -> None:
        while not cancelled():
            time.sleep(0.005)
        raise Cancelled("stopped")

    options = {"progressed": failures.append, "finished": failures.append, "failed": failures.append}
    background.start(work, **options)
    with pytest.raises(Busy):
        background.start(work, **options)
    background.cancel()
    pollUntil(background, lambda: bool(failures))
    assert isinstance(failures[0], Cancelled)
    background.start(lambda _report, cancelled: cancelled(), **options)
    pollUntil(background, lambda: len(failures) == 2)
    assert failures[1] is False
