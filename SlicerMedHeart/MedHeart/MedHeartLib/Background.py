"""One piece of work at a time beside the main thread.

The worker thread touches neither Qt nor MRML. It puts events into a queue, which the main thread
empties by `poll`, called by a timer; so callbacks run on the main thread. `cancel` sets a flag that
the work asks for. No locks: the queue and the flag are all that both threads share.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from medheart.errors import Busy

__all__ = ["Background", "Work"]

Report = Callable[[Any], None]
Work = Callable[[Report, Callable[[], bool]], Any]


class Background:
    """Runs work on a thread and brings its events back."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[tuple[Callable[[Any], None], Any]] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._running = False

    @property
    def isRunning(self) -> bool:
        """Whether work was started whose end `poll` has not yet delivered."""
        return self._running

    def start(self, work: Work, *, progressed: Report, finished: Report, failed: Callable[[Exception], None]) -> None:
        """Start work.

        Parameters
        ----------
        work : callable
            Called on the thread with `report` (takes anything, ends up in `progressed`) and `cancelled`
            (returns whether to stop); its result ends up in `finished`, an exception in `failed`.

        Raises
        ------
        Busy
            If other work has not ended.
        """
        if self._running:
            raise Busy("something else is still running: wait for it, or cancel it")
        self._running = True
        self._cancelled = threading.Event()
        stop = self._cancelled.is_set

        def run() -> None:
            try:
                result = work(lambda state: self._events.put((progressed, state)), stop)
            except Exception as error:
                self._events.put((self._ending(failed), error))
            else:
                self._events.put((self._ending(finished), result))

        threading.Thread(target=run, name="MedHeart", daemon=True).start()

    def cancel(self) -> None:
        """Ask the work to stop."""
        self._cancelled.set()

    def poll(self) -> None:
        """Deliver what has happened; to be called on the main thread."""
        while True:
            try:
                deliver, value = self._events.get_nowait()
            except queue.Empty:
                return
            deliver(value)

    def _ending(self, deliver: Callable[[Any], None]) -> Callable[[Any], None]:
        def end(value: Any) -> None:
            self._running = False
            deliver(value)

        return end
