"""The time in milliseconds, where SQLite is older than the job library takes it to be.

On Python 3.12 and later DBOS writes `unixepoch('subsec')` into its tables and statements. SQLite knows that from 3.42
on; an older one, as Debian 12 has it, answers NULL, and no job could be kept. There every connection of this process
gets a function of that name.
"""

from __future__ import annotations

import sqlite3
import time

from sqlalchemy import Engine, event

__all__ = ["teach_subseconds"]

_KNOWN_FROM = (3, 42)


def teach_subseconds() -> None:
    """Let `unixepoch('subsec')` hold on the SQLite connections that engines of this process open from now on."""
    if sqlite3.sqlite_version_info < _KNOWN_FROM and not event.contains(Engine, "connect", _teach):
        event.listen(Engine, "connect", _teach)


def _teach(connection: object, _record: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.create_function("unixepoch", 1, _unixepoch)


def _unixepoch(argument: str) -> float:
    if argument != "subsec":
        raise ValueError(f"unixepoch is known of 'subsec' only here, got {argument!r}")
    return time.time()
