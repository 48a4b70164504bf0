"""What the label server itself must remember: who was shown which version, and clients' free-form info.

One small SQLite file beside the store; label content and its history are the store's alone.
A connection is shared by the threads, one lock guards it and nothing else.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Notes"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS served (
    client TEXT, image TEXT, version TEXT, at REAL, PRIMARY KEY (client, image)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS info (
    kind TEXT, id TEXT, tag TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, id, tag)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hidden (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class Notes:
    """The notes of one installation.

    Parameters
    ----------
    path : pathlib.Path
        SQLite file; made if missing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, timeout=30, isolation_level=None)
        with self._locked() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)

    def served(self, image: str) -> dict[str, str | None]:
        """Return the version last shown of an image by client, who was served last at the end.

        None stands for the image while it had no label.
        """
        query = "SELECT client, version FROM served WHERE image = ? ORDER BY at"
        with self._locked() as connection:
            return dict(connection.execute(query, (image,)).fetchall())

    def note_served(self, client: str, image: str, version: str | None) -> None:
        """Remember that a client was shown a version of an image, or that there was none."""
        with self._locked() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO served VALUES (?, ?, ?, ?)", (client, image, version, time.time())
            )

    def info(self, kind: str, item: str, tag: str = "") -> dict[str, Any]:
        """Return what clients noted on an image (`kind` image) or a label (`kind` label)."""
        with self._locked() as connection:
            return self._info(connection, (kind, item, tag))

    def update_info(self, kind: str, item: str, info: dict[str, Any], tag: str = "") -> None:
        """Merge `info` into what is noted, key by key."""
        with self._locked() as connection:
            merged = {**self._info(connection, (kind, item, tag)), **info}
            connection.execute("INSERT OR REPLACE INTO info VALUES (?, ?, ?, ?)", (kind, item, tag, json.dumps(merged)))

    def hide(self, *ids: str) -> None:
        """Leave images or versions out of what clients are shown; the store keeps them."""
        with self._locked() as connection:
            connection.executemany("INSERT OR IGNORE INTO hidden VALUES (?)", [(item,) for item in ids])

    def show(self, item: str) -> None:
        """Take back `hide`."""
        with self._locked() as connection:
            connection.execute("DELETE FROM hidden WHERE id = ?", (item,))

    def hidden(self) -> set[str]:
        """Return the ids of all that is hidden."""
        with self._locked() as connection:
            return {row[0] for row in connection.execute("SELECT id FROM hidden")}

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _locked(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._connection

    @staticmethod
    def _info(connection: sqlite3.Connection, key: tuple[str, str, str]) -> dict[str, Any]:
        query = "SELECT body FROM info WHERE kind = ? AND id = ? AND tag = ?"
        row = connection.execute(query, key).fetchone()
        return dict(json.loads(row[0])) if row else {}
