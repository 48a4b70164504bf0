"""Fixtures that every test may use."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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


@pytest.fixture(scope="session")
def real_service() -> Callable[[str], dict[str, Any]]:
    """Return a function from a part of `make services` to its entry in services.json, `password` added.

    Skips where the part is not there or does not run; fails instead where MEDHEART_REQUIRE=1 and
    MEDHEART_SERVICES (names between spaces, or `all`) lists it.
    """
    folder = Path(os.environ.get("MEDHEART_SERVICES_DIR", ROOT / ".services"))
    promised = os.environ.get("MEDHEART_SERVICES", "").split() if REQUIRED else []

    def look_up(name: str) -> dict[str, Any]:
        listing = folder / "services.json"
        entries = json.loads(listing.read_text(encoding="utf-8"))["services"] if listing.exists() else {}
        entry = entries.get(name)
        if entry is None or not _answers(entry):
            message = f'{name} is not there or does not run: make services ONLY="{name}"'
            pytest.fail(message) if {name, "all"} & set(promised) else pytest.skip(message)
        if "secret_file" in entry:
            entry["password"] = Path(entry["secret_file"]).read_text(encoding="ascii").strip()
        return entry

    return look_up


def _answers(entry: dict[str, Any]) -> bool:
    if "url" not in entry:
        return Path(entry["path"]).exists()
    address = urlsplit(entry["url"])
    with socket.socket() as probe:
        return probe.connect_ex((address.hostname or "", address.port or 0)) == 0
