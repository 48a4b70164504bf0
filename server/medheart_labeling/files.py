"""Files made on demand from what the store holds, kept in a bounded folder.

Names are digests and ids of ours, so that a file never changes its meaning. A file that was asked for
within the last minutes is never removed: somebody may still be sending it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["FileCache"]

_KEEP_S = 900.0


class FileCache:
    """A folder of derived files; the least recently used go first.

    One lock guards the table of locks by name; a name's lock is held while its file is made.

    Parameters
    ----------
    folder : pathlib.Path
        Made if missing.
    limit_bytes : int
        Size above which files are removed.
    """

    def __init__(self, folder: Path, *, limit_bytes: int = 8 << 30) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}

    def get(self, name: str, make: Callable[[Path], object]) -> Path:
        """Return the file `name`; `make` writes it to the path it is given, where it is not there yet.

        `make` must leave a whole file or none, as the writers of `medheart_io` do.
        """
        with self._lock:
            making = self._making.setdefault(name, threading.Lock())
        path = self._folder / name
        with making:
            if path.is_file():
                path.touch()
            else:
                make(path)
                self._evict(keep=path)
        return path

    def _evict(self, *, keep: Path) -> None:
        found = [(entry.stat(), entry) for entry in self._folder.iterdir() if entry.is_file()]
        size = sum(stat.st_size for stat, _ in found)
        for stat, entry in sorted(found, key=lambda item: item[0].st_mtime):
            if size <= self._limit or entry == keep or stat.st_mtime > time.time() - _KEEP_S:
                continue
            entry.unlink(missing_ok=True)
            size -= stat.st_size
