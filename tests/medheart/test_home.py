"""The home folder is its owner's alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from medheart.errors import MedHeartError
from medheart.home import make_home, write_privately
from medheart.settings import Settings


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_home_is_its_owners_alone_and_an_old_one_stays_as_it_is(tmp_path: Path) -> None:
    make_home(Settings(home=tmp_path / "a" / "home"))
    assert mode(tmp_path / "a" / "home") == 0o700
    assert os.umask(0o022) == 0o022
    (tmp_path / "shared").mkdir(mode=0o750)
    make_home(Settings(home=tmp_path / "shared"))
    assert mode(tmp_path / "shared") == 0o750


def test_what_a_server_writes_nobody_else_reads(tmp_path: Path) -> None:
    write_privately(Settings(home=tmp_path / "home"))
    (tmp_path / "home" / "jobs.sqlite").touch()
    (tmp_path / "home" / "uploads").mkdir()
    assert [mode(tmp_path / "home" / name) for name in ("jobs.sqlite", "uploads")] == [0o600, 0o700]


def test_a_home_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MedHeartError, match=r"file/home: cannot be made the home folder.*MEDHEART_HOME") as caught:
        make_home(Settings(home=tmp_path / "file" / "home"))
    assert caught.value.code == "home"
