"""How many wrong keys one sender may try: a sliding window per sender, in memory."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

from medheart.errors import Busy

__all__ = ["Attempts"]

_MOST_SENDERS = 10_000


class Attempts:
    """Wrong keys by sender; safe to use from several threads.

    Parameters
    ----------
    limit : int
        Wrong keys within the window after which a sender has to wait.
    window_s : float
        Length of the window, in seconds.
    clock : callable
        Seconds that only grow.
    """

    def __init__(self, *, limit: int = 10, window_s: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._window_s = window_s
        self._clock = clock
        self._lock = threading.Lock()
        self._wrong: dict[str, deque[float]] = {}

    def check(self, sender: str) -> None:
        """Raise Busy (`too_many_tries`) while `sender` has to wait; says for how long."""
        with self._lock:
            times = self._recent(sender)
            if len(times) < self._limit:
                return
            wait = math.ceil(times[0] + self._window_s - self._clock())
        raise Busy(f"too many wrong keys; try again in {wait} s", code="too_many_tries", retry_after_s=max(1, wait))

    def fail(self, sender: str) -> None:
        """Count a wrong key of `sender`."""
        with self._lock:
            times = self._recent(sender)
            times.append(self._clock())
            self._wrong.pop(sender, None)
            self._wrong[sender] = times
            while len(self._wrong) > _MOST_SENDERS:
                # Insertion order is order of the last try: the first one tried longest ago.
                del self._wrong[next(iter(self._wrong))]

    def _recent(self, sender: str) -> deque[float]:
        times = self._wrong.get(sender, deque(maxlen=self._limit))
        while times and times[0] <= self._clock() - self._window_s:
            times.popleft()
        if not times:
            self._wrong.pop(sender, None)
        return times
