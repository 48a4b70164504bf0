"""The inferences that run now: their progress, and a way to stop them.

One lock guards the table; it is never held while anything else is done.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from medheart.errors import Busy, Conflict, NotFound
from medheart_access import Identity

__all__ = ["Entry", "RequestTable"]

_KEEP_S = 120.0


@dataclass
class Entry:
    """One inference: `state` word, `position` in the queue, `done` of `total` tiles, `seconds_left`."""

    id: str
    owner: str
    state: str = "preparing"
    position: int = 0
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    ended: float | None = None
    cancel: threading.Event = field(default_factory=threading.Event)

    def follow(self, state: Any) -> None:
        """Take over a `SegmentState` of the model host."""
        self.state, self.position = state.state, state.position
        self.done, self.total, self.seconds_left = state.done, state.total, state.seconds_left

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        names = ("id", "state", "position", "done", "total", "seconds_left")
        return {name: getattr(self, name) for name in names}


class RequestTable:
    """Running and lately ended inferences, by id.

    Parameters
    ----------
    limit : int
        How many may run or wait at a time.
    """

    def __init__(self, *, limit: int = 32) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}

    @contextmanager
    def running(self, request: str | None, owner: Identity) -> Iterator[Entry]:
        """Keep an entry while an inference runs.

        Raises
        ------
        Busy
            If too many run already.
        Conflict
            If the id is in use.
        """
        entry = self._open(request or uuid.uuid4().hex, owner.name)
        done = False
        try:
            yield entry
            done = True
        finally:
            entry.state = "done" if done else "cancelled" if entry.cancel.is_set() else "failed"
            entry.ended = time.monotonic()

    def get(self, request: str, who: Identity) -> Entry:
        """Return an entry; raises NotFound, also for what belongs to another, unless an admin asks."""
        with self._lock:
            entry = self._entries.get(request)
        if entry is None or (entry.owner != who.name and "admin" not in who.roles):
            raise NotFound(f"no inference {request!r} is running")
        return entry

    def cancel(self, request: str, who: Identity) -> Entry:
        """Ask an inference to stop; returns its entry."""
        entry = self.get(request, who)
        entry.cancel.set()
        return entry

    def active(self) -> int:
        """Return how many run or wait."""
        with self._lock:
            return sum(entry.ended is None for entry in self._entries.values())

    def _open(self, request: str, owner: str) -> Entry:
        now = time.monotonic()
        with self._lock:
            self._entries = {
                key: entry for key, entry in self._entries.items() if entry.ended is None or now - entry.ended < _KEEP_S
            }
            running = [entry for entry in self._entries.values() if entry.ended is None]
            if len(running) >= self._limit:
                raise Busy(f"{len(running)} inferences are running or waiting already", retry_after_s=5)
            if request in self._entries and self._entries[request].ended is None:
                raise Conflict(f"request id {request!r} is in use", code="id_in_use")
            entry = self._entries[request] = Entry(request, owner)
        return entry
