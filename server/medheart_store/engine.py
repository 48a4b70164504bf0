"""The one file that knows which database it talks to.

SQLite runs in WAL mode with `synchronous=FULL` (a commit survives power loss) and takes the write
lock at the start of a writing transaction: deferred ones fail with SQLITE_BUSY under concurrency.
PostgreSQL needs none of this; writers of one image queue on a row lock there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, event, make_url, select, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import OperationalError, StatementError

from medheart.errors import StoreError, Unavailable

__all__ = ["insert_missing", "make_tables", "open_engine", "reading", "writing"]

_BUSY_MS = 30_000
_LOCK = 0x6D656468  # any number that nobody else locks
_PRAGMAS = (
    f"PRAGMA busy_timeout={_BUSY_MS}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
)


def open_engine(url: str) -> Engine:
    """Return an engine for a SQLAlchemy URL, `sqlite:///…` or `postgresql+psycopg://…`."""
    kind = make_url(url).get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise StoreError(f"the database must be sqlite or postgresql, got {kind!r}", code="settings")
    engine = create_engine(url, pool_pre_ping=kind != "sqlite")
    if kind == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "handle_error", _name_driver_error)
    return engine


def make_tables(engine: Engine, metadata: MetaData, *, version: str) -> None:
    """Make the tables that are missing, and check who wrote those that are there.

    Raises
    ------
    StoreError
        If they are of another version than `version`.
    """
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            # Two processes that start at once would both find no table.
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        metadata.create_all(connection)
        written = metadata.tables["store"]
        insert_missing(connection, written, {"name": "version", "value": version})
        found = connection.execute(select(written.c.value).where(written.c.name == "version")).scalar_one()
    if found != version:
        name = engine.url.render_as_string(hide_password=True)
        raise StoreError(f"the store {name} is of version {found}, this program reads {version}", code="store_version")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent view of the records."""
    with _translated(engine), engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that writes; commits at the end, rolls back on any error."""
    with _translated(engine), engine.connect() as connection:
        connection.execution_options(medheart_write=True)
        with connection.begin():
            yield connection


def insert_missing(connection: Connection, table: Table, values: dict[str, Any]) -> None:
    """Insert a row unless one with its key is there."""
    # Loaded by name: the dialect that is not in use costs 0.1 s of start-up.
    dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    connection.execute(dialect.insert(table).values(values).on_conflict_do_nothing())


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver must not open transactions of its own: `_begin_sqlite` does.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("medheart_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _name_driver_error(context: ExceptionContext) -> None:
    # psycopg makes JSON itself: what is none ends there as a bare TypeError, in SQLite as a StatementError.
    if isinstance(context.original_exception, (TypeError, ValueError)):
        error = context.original_exception
        raise StatementError(str(error), context.statement, None, error) from error


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    name = engine.url.render_as_string(hide_password=True)
    try:
        yield
    except OperationalError as error:
        raise Unavailable(f"the database {name} does not answer: {error.orig}", code="database") from error
    except StatementError as error:
        raise StoreError(f"the database {name} refused: {error.orig}", code="database") from error
