"""Files that appear whole or not at all, and locks that end with their process."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medheart.errors import MedHeartError

__all__ = ["appearing", "locked", "only_one", "write_whole"]

_LOOK_S = 0.1


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Yield a temporary name in the same folder, with the same ending, that becomes `path` if nothing fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> Path:
    """Write a file; a reader sees the old content or the new, never a part."""
    with appearing(path) as temporary, temporary.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    return path


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Lock a file or folder while the block runs; yields false where somebody else holds it.

    The kernel frees the lock when its process ends, however that ends.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


@contextmanager
def only_one(lock: Path, what: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """Keep a second process of a kind from running while the block does.

    Parameters
    ----------
    lock : pathlib.Path
        File that is locked; made if missing.
    what : str
        What kind of process, for people.
    wait_s : float
        Seconds that one that runs has to end.

    Raises
    ------
    MedHeartError
        `already_running`, if one runs.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    until = time.monotonic() + wait_s
    while True:
        with locked(lock) as mine:
            if mine:
                yield
                return
        if time.monotonic() >= until:
            raise MedHeartError(f"{lock}: a {what} of this home is running already", code="already_running")
        time.sleep(_LOOK_S)
