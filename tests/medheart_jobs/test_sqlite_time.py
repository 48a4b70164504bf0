"""The time in milliseconds on every SQLite that a supported Python may come with."""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import create_engine, text

from medheart_jobs.sqlite_time import teach_subseconds


def test_a_row_gets_the_time_with_its_fraction(tmp_path: Path) -> None:
    teach_subseconds()
    engine = create_engine(f"sqlite:///{tmp_path / 'a.sqlite'}")
    before = time.time()
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER, at INTEGER NOT NULL DEFAULT (unixepoch('subsec') * 1000))"))
        connection.execute(text("INSERT INTO t (n) VALUES (1)"))
        (at,) = connection.execute(text("SELECT at FROM t")).one()
    assert before * 1000 - 2 <= at <= time.time() * 1000 + 2
    engine.dispose()


def test_teaching_twice_changes_nothing(tmp_path: Path) -> None:
    teach_subseconds()
    teach_subseconds()
    engine = create_engine(f"sqlite:///{tmp_path / 'a.sqlite'}")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT unixepoch('subsec') > 1.7e9")).scalar_one() == 1
    engine.dispose()
