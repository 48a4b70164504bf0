"""The database underneath."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from medheart.errors import StoreError, Unavailable
from medheart_store import Store
from medheart_store.engine import open_engine, reading, writing


def test_sqlite_is_durable_and_checks_references(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'x.sqlite'}")
    with reading(engine) as connection:
        found = [
            connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert found == ["wal", 2, 1, 30_000]


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'x.sqlite'}")
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE t (a INTEGER PRIMARY KEY)"))
    with pytest.raises(StoreError, match="UNIQUE"), writing(engine) as connection:
        connection.execute(text("INSERT INTO t VALUES (1)"))
        connection.execute(text("INSERT INTO t VALUES (1)"))
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM t")).scalar_one() == 0


def test_a_database_that_cannot_be_opened_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").mkdir()
    with pytest.raises(Unavailable, match=r"store\.sqlite"):
        Store.open(tmp_path)


def test_other_databases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="sqlite or postgresql, got 'mysql'"):
        Store.open(tmp_path, database_url="mysql://x/y")


def test_a_store_of_another_version_is_not_opened(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    with writing(open_engine(f"sqlite:///{tmp_path / 'store.sqlite'}")) as connection:
        connection.execute(text("UPDATE store SET value = '99'"))
    with pytest.raises(StoreError, match="is of version 99, this program reads 1") as caught:
        Store.open(tmp_path)
    assert caught.value.code == "store_version"
