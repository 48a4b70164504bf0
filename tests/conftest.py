"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
REQUIRED = os.environ.get("MEDHEART_REQUIRE") == "1"


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own MEDHEART_HOME."""
    monkeypatch.setenv("MEDHEART_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def test_data() -> Callable[[str], Path]:
    """Return a function from a relative name to a path of the real test data.

    Skips, or fails where MEDHEART_REQUIRE=1, if the data is not there.
    """
    folder = Path(os.environ.get("MEDHEART_TEST_DATA", ROOT.parent / "shared" / "data"))

    def locate(name: str) -> Path:
        path = folder / name
        if not path.exists():
            message = f"real test data {name!r} not found under {folder} (set MEDHEART_TEST_DATA)"
            pytest.fail(message) if REQUIRED else pytest.skip(message)
        return path

    return locate
