"""A cache bounded in bytes that forgets what was used longest ago."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["ByteCache"]

T = TypeVar("T")


class ByteCache(Generic[T]):
    """Least-recently-used cache, safe for several threads (one lock, held for bookkeeping only).

    Parameters
    ----------
    limit : int
        Bytes that all values together may take; one that is larger is not kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._entries: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> T | None:
        """Return the value of `key`, None if it is not there."""
        with self._lock:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key][0]

    def put(self, key: Hashable, value: T, size: int) -> None:
        """Keep `value` of `size` bytes, dropping the oldest as needed."""
        with self._lock:
            if key in self._entries:
                self._used -= self._entries.pop(key)[1]
            if size > self.limit:
                return
            self._entries[key] = (value, size)
            self._used += size
            while self._used > self.limit:
                self._used -= self._entries.popitem(last=False)[1][1]

    @property
    def used(self) -> int:
        """Bytes that the values take together."""
        return self._used

    def __len__(self) -> int:
        return len(self._entries)
