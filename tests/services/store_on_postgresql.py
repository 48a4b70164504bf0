"""Plugin for pytest: stores keep their records in PostgreSQL where a test says nothing of a database.

Each folder has a schema of its own in the database of MEDHEART_POSTGRES_URL, dropped after the test.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from medheart_store import Store

_SERVER = make_url(os.environ["MEDHEART_POSTGRES_URL"])


@pytest.fixture(autouse=True)
def _records_in_postgresql(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    databases: dict[Path, str] = {}
    schemas: list[str] = []
    engine = create_engine(_SERVER, isolation_level="AUTOCOMMIT")
    stock = Store.open

    def execute(command: str) -> None:
        with engine.connect() as connection:
            connection.execute(text(command))
        engine.dispose()  # Tests fork: a connection must not be in two processes.

    def open_there(folder: Path, **options: Any) -> Store:
        if folder not in databases and options.get("database_url") is None:
            name = f"test_{uuid.uuid4().hex}"
            execute(f"CREATE SCHEMA {name}")
            there = _SERVER.update_query_dict({"options": f"-csearch_path={name}"})
            databases[folder] = there.render_as_string(hide_password=False)
            schemas.append(name)
        return stock(folder, **{"database_url": databases.get(folder), **options})

    monkeypatch.setattr(Store, "open", open_there)
    yield
    assert not [folder for folder in databases if (folder / "store.sqlite").exists()]
    for name in schemas:
        execute(f"DROP SCHEMA {name} CASCADE")
