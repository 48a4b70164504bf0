"""Databases of the real PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, make_url, text


@pytest.fixture(scope="session")
def fresh_database(real_service: Callable[[str], dict[str, Any]]) -> Callable[[], AbstractContextManager[str]]:
    """Return a context manager over the URL of an empty database, which is dropped at the end."""
    entry = real_service("postgresql")
    server: URL = make_url(entry["url"]).set(
        drivername="postgresql+psycopg", username=entry["user"], password=entry["password"]
    )
    engine = create_engine(server, isolation_level="AUTOCOMMIT")

    @contextmanager
    def fresh() -> Iterator[str]:
        name = f"test_{uuid.uuid4().hex}"
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        yield server.set(database=name).render_as_string(hide_password=False)
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))

    return fresh
