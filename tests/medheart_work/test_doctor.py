"""What `medheart doctor` says of the servers and programs that only tests need."""

from __future__ import annotations

import json
import socket
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from medheart.settings import Settings
from medheart_work import doctor
from medheart_work.doctor import Finding, examine

TABLE = tomllib.loads(Path(doctor.__file__).with_name("services.toml").read_text(encoding="utf-8"))


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Return a function that says which servers `make services` started; one listens, at another's port."""
    monkeypatch.setenv("MEDHEART_SERVICES_DIR", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        table = tmp_path / "services.toml"
        table.write_text(f'[minio]\nport = {listener.getsockname()[1]}\n[dcmtk]\nprograms = ["no-such-program"]\n')
        monkeypatch.setattr(doctor, "_SERVICES", table)
        yield lambda *names: (tmp_path / "services.json").write_text(
            json.dumps({"version": 1, "services": {name: {} for name in names}})
        )


def look(tmp_path: Path, language: str = "en") -> dict[str, Finding]:
    found = examine(Settings(home=tmp_path / "home"), language=language)
    return {one.name.split(": ")[1]: one for one in found if one.name.startswith("for tests: ")}


def test_what_runs_and_is_ours_is_well(started: Any, tmp_path: Path) -> None:
    started("minio")
    found = look(tmp_path)
    assert (found["minio"].verdict, found["minio"].remedy) == ("ok", "")
    assert (found["dcmtk"].verdict, found["dcmtk"].message) == ("warning", "not there")
    assert found["dcmtk"].remedy.endswith("make services ONLY=dcmtk")


def test_a_stranger_on_the_port_is_not_taken_for_ours(started: Any, tmp_path: Path) -> None:
    finding = look(tmp_path)["minio"]
    assert finding.verdict == "warning"
    assert "taken by another program" in finding.message
    assert "make services ONLY=minio" in finding.remedy


def test_every_part_is_found_or_a_warning_with_a_remedy_and_nothing_worse(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert list(found) == list(TABLE)
    for finding in found.values():
        assert finding.verdict in ("ok", "warning")
        assert (finding.verdict == "warning") == bool(finding.remedy)
