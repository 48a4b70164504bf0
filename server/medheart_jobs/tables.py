"""What both ends of the job tables must agree on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from dbos import DBOS, DBOSPortableJSONSerializer, Serializer
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from medheart.errors import Unavailable
from medheart_jobs.sqlite_time import teach_subseconds

__all__ = ["APPLICATION", "PROGRESS", "QUEUES", "VERSION", "WORKFLOW", "QueueName", "prepare", "serializer"]

APPLICATION = "medheart"
VERSION = "1"
"""Version of what jobs mean, not of the code: work that waits is not stranded by an update."""

WORKFLOW = "job"
"""The one workflow: its arguments are `name` and `args` of the job, so that an unknown name fails clearly."""

PROGRESS = "progress"
"""Name of the event that carries the progress: `{"done", "total", "message", "left", "at"}`, and `details` of some."""

QueueName = Literal["jobs", "long"]
QUEUES: dict[QueueName, int] = {"jobs": 1, "long": 1}
"""Queues and how many jobs of each a worker does at a time; `long` keeps training from blocking the rest."""


def serializer() -> Serializer:
    """Return the serializer of both ends: JSON, where the library's default would be pickle."""
    return DBOSPortableJSONSerializer()


def prepare(url: str) -> None:
    """Make or update the job tables; a SQLite file is made with its folder.

    Raises
    ------
    Unavailable
        If the database does not answer.
    """
    shown = make_url(url).render_as_string(hide_password=True)
    teach_subseconds()
    try:
        if make_url(url).get_backend_name() == "sqlite":
            _prepare_sqlite(url)
        DBOS.migrate(url)
    except (SQLAlchemyError, OSError) as error:
        raise Unavailable(f"the job tables at {shown} do not answer: {error}", code="jobs_database") from error


def _prepare_sqlite(url: str) -> None:
    database = make_url(url).database
    if database:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)
    with engine.connect() as connection:
        # Readers of progress must not hold up the worker; the setting stays in the file.
        connection.execute(text("PRAGMA journal_mode=WAL"))
    engine.dispose()
