"""Sessions of browsers: a cookie that stands for a key for some hours, ended by the server.

The browser keeps a random token; the file keeps its SHA-256, the id of the key and three times. A session
ends when it is signed out, has been idle, has grown old, or when its key is revoked. Requests that change
something must carry a second token in a header, which a page of another origin can neither read nor send.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from medheart.errors import NotAllowed
from medheart_access.identity import Identity
from medheart_access.keys import Key, KeyFile

__all__ = ["CSRF_HEADER", "Session", "Sessions"]

CSRF_HEADER = "x-csrf-token"
_NOTE_EVERY_S = 60.0
_TABLE = """
CREATE TABLE IF NOT EXISTS sessions (
    digest TEXT PRIMARY KEY, key_id TEXT NOT NULL, began REAL NOT NULL, seen REAL NOT NULL, ends REAL NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True)
class Session:
    """A session that is valid: whose it is, the token for changing requests, and when it ends (Unix time)."""

    identity: Identity
    csrf: str
    ends: float

    def check_csrf(self, given: str | None) -> None:
        """Raise NotAllowed (`bad_csrf`) unless `given` is the token for changing requests."""
        if given is None or not hmac.compare_digest(given.encode(), self.csrf.encode()):
            raise NotAllowed(f"a request that changes something needs the header {CSRF_HEADER}", code="bad_csrf")


class Sessions:
    """The sessions of one installation; safe to use from several threads and processes.

    Parameters
    ----------
    path : pathlib.Path
        SQLite file; made with mode 0600.
    keys : KeyFile
        Keys that sessions stand for.
    lifetime_s, idle_s : float
        Seconds after which a session ends: in any case, and unused.
    clock : callable
        Unix time.
    """

    def __init__(
        self,
        path: Path,
        keys: KeyFile,
        *,
        lifetime_s: float = 12 * 3600,
        idle_s: float = 3600,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._keys = keys
        self._lifetime_s = lifetime_s
        self._idle_s = idle_s
        self._clock = clock
        self._lock = threading.Lock()
        # Cookies know no ports: two installations on one machine must not overwrite each other's.
        self.cookie = f"medheart-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"

    def begin(self, key: Key) -> str:
        """Begin a session of a key's holder and return its token, for the cookie."""
        token, now = secrets.token_urlsafe(32), self._clock()
        with self._lock, closing(self._open()) as database:
            database.execute("DELETE FROM sessions WHERE ends < ? OR seen < ?", (now, now - self._idle_s))
            row = (_digest(token), key.id, now, now, now + self._lifetime_s)
            database.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?)", row)
        return token

    def find(self, token: str) -> Session | None:
        """Return the session of a cookie's token, or None where it has ended."""
        if not self._path.is_file():
            return None
        now, digest = self._clock(), _digest(token)
        with self._lock, closing(self._open()) as database:
            query = "SELECT key_id, seen, ends FROM sessions WHERE digest = ?"
            key_id, seen, ends = database.execute(query, (digest,)).fetchone() or ("", 0.0, 0.0)
            if now >= ends or now >= seen + self._idle_s:
                return None
            if now > seen + _NOTE_EVERY_S:
                database.execute("UPDATE sessions SET seen = ? WHERE digest = ?", (now, digest))
        key = self._keys.get(key_id)
        return Session(key.identity, _csrf(token), ends) if key else None

    def end(self, token: str) -> None:
        """End the session of a cookie's token, if there is one."""
        if self._path.is_file():
            with self._lock, closing(self._open()) as database:
                database.execute("DELETE FROM sessions WHERE digest = ?", (_digest(token),))

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._path.exists():
            # SQLite would make it readable by everybody.
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        database = sqlite3.connect(self._path, timeout=10, isolation_level=None)
        database.execute(_TABLE)
        return database


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _csrf(token: str) -> str:
    """Return the token for changing requests: made from the cookie's, which cannot be made from it."""
    return hmac.new(token.encode(), b"medheart-csrf", hashlib.sha256).hexdigest()
