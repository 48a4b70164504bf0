"""What `medheart doctor` says of the servers and programs that only tests need."""

from __future__ import annotations

import json
import os
import socket
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from medheart.records import LabelVersion
from medheart.settings import Settings
from medheart_store import Store
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


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 1}'])
def test_a_broken_listing_is_a_finding(started: Any, tmp_path: Path, content: str) -> None:
    (tmp_path / "services.json").write_text(content)
    found = list(examine(Settings(home=tmp_path / "home")))
    (finding,) = [one for one in found if "services.json" in one.message]
    assert (finding.verdict, finding.remedy) == ("warning", "only tests need it: make services")
    assert look(tmp_path)["dcmtk"].message == "not there"


def store_findings(settings: Settings, **options: bool) -> list[tuple[str, str]]:
    return [(one.verdict, one.message) for one in examine(settings, **options) if one.name == "store"]


def test_the_whole_store_is_read_where_that_is_asked_for(
    settings: Settings, store: Store, version: LabelVersion
) -> None:
    assert store_findings(settings, whole=True) == [("ok", "everything read back whole")]
    original = next(path for path in settings.store_dir.rglob("originals/*") if path.is_file())
    original.write_bytes(b"x" + original.read_bytes()[1:])
    ((verdict, message),) = store_findings(settings, whole=True)
    assert (verdict, original.name in message) == ("missing", True)
    assert store_findings(Settings(home=settings.home / "empty"), whole=True) == [("ok", "none yet")]


def test_what_nothing_names_is_removed_where_that_is_asked_for(
    settings: Settings, store: Store, version: LabelVersion
) -> None:
    packs = next(settings.store_dir.rglob("packs"))
    orphan = packs / ("0" * 64)
    orphan.write_bytes(b"left behind")
    os.utime(orphan, (time.time() - 8 * 24 * 3600,) * 2)
    store_findings(settings)
    assert orphan.exists()
    *removed, last = store_findings(settings, clean=True)[1:]
    assert [orphan.name in message for _, message in removed] == [True]
    assert last == ("ok", "1 objects removed that nothing named for a week")
    assert not orphan.exists()
    assert store.verify() == []


def test_a_home_that_others_can_look_into_is_a_warning(settings: Settings) -> None:
    settings.home.mkdir(mode=0o700)
    homes = [one for one in examine(settings) if one.name == "home"]
    assert [one.verdict for one in homes] == ["ok"]
    settings.home.chmod(0o755)
    homes = [one for one in examine(settings) if one.name == "home"]
    assert [one.verdict for one in homes] == ["ok", "warning"]
    assert homes[1].remedy == f"chmod 700 {settings.home}"


def test_every_part_is_found_or_a_warning_with_a_remedy_and_nothing_worse(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert list(found) == list(TABLE)
    for finding in found.values():
        assert finding.verdict in ("ok", "warning")
        assert (finding.verdict == "warning") == bool(finding.remedy)
