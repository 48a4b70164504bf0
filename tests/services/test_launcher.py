"""`make services` itself: what it starts it ends, and nothing else; what cannot be had it names."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LISTENER = (
    "import socket, time; s = socket.create_server(('127.0.0.1', {port})); print('there', flush=True); time.sleep(600)"
)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The modules of the launcher, and a place of this test's own."""
    monkeypatch.syspath_prepend(ROOT)

    class Parts:
        place = import_module("scripts.services.place")
        processes = import_module("scripts.services.processes")
        main = import_module("scripts.services.__main__")
        mine = place.Place(tmp_path / "services")

    return Parts


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def launch(parts: Any, port: int) -> Callable[..., Any]:
    """Return a function that says how to start a small server."""

    def make(code: str = LISTENER, **options: Any) -> Any:
        command = [sys.executable, "-c", code.format(port=port)]
        ready = lambda: parts.processes.is_taken(port)  # noqa: E731
        return parts.processes.Launch(command, (port,), ready, {"url": f"tcp://127.0.0.1:{port}"}, **options)

    return make


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def make_services(tmp_path: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.services", *words], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "MEDHEART_SERVICES_DIR": str(tmp_path / "services"), **environment},
    )  # fmt: skip


def test_what_is_started_is_ended(parts: Any, launch: Any, port: int) -> None:
    entry = parts.processes.start(parts.mine, "small", launch())
    assert parts.processes.is_alive(entry)
    assert os.getsid(entry["pid"]) == entry["pid"], "it outlives the terminal"
    assert "there" in parts.mine.log("small").read_text()
    assert parts.processes.stop(entry)
    assert not parts.processes.is_taken(port)
    assert not parts.processes.stop(entry)


def test_what_does_not_listen_to_reason_is_ended_too(parts: Any, launch: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(parts.processes, "_STOP_S", 0.3)
    deaf = f"import signal; signal.signal({int(signal.SIGTERM)}, signal.SIG_IGN); {LISTENER}"
    entry = parts.processes.start(parts.mine, "deaf", launch(deaf))
    assert parts.processes.stop(entry)
    assert not parts.processes.is_alive(entry)


def test_another_process_with_the_same_id_is_left_alone(parts: Any, bystander: subprocess.Popen[bytes]) -> None:
    entry = {"pid": bystander.pid, "born": "1", "stop_signal": int(signal.SIGKILL)}
    parts.mine.record("postgresql", {**entry, "url": "postgresql://127.0.0.1:1/postgres"})
    assert not parts.processes.is_alive(entry)
    assert parts.main.stop_all(parts.mine, ["postgresql"]) == 0
    assert bystander.poll() is None
    assert parts.mine.entries() == {}


def test_a_port_that_is_taken_is_named_and_its_owner_left_alone(parts: Any, launch: Any, port: int) -> None:
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(parts.place.CannotServe, match=f"port {port} is taken"),
    ):
        parts.processes.start(parts.mine, "small", launch())


def test_a_server_that_ends_says_why(parts: Any, launch: Any) -> None:
    with pytest.raises(parts.place.CannotServe, match="ended at once with 1: ValueError: no such disk"):
        parts.processes.start(parts.mine, "small", launch("raise ValueError('no such disk')"))


def test_a_server_that_never_answers_is_ended(parts: Any, launch: Any) -> None:
    silent = launch("print(__import__('os').getpid(), flush=True); import time; time.sleep(600)", deadline_s=1)
    with pytest.raises(parts.place.CannotServe, match="did not answer within 1 s"):
        parts.processes.start(parts.mine, "silent", silent)
    with pytest.raises(ProcessLookupError):
        os.kill(int(parts.mine.log("silent").read_text()), 0)


def test_passwords_are_made_once_and_are_private(parts: Any) -> None:
    first = parts.mine.secret("postgresql")
    assert len(first) >= 32
    assert parts.place.Place(parts.mine.folder).secret("postgresql") == first != parts.mine.secret("minio")
    path = parts.mine.secret_file("postgresql")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_programs_are_listed_and_the_second_call_changes_nothing(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "pdftotext"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    listings = []
    for _ in range(2):
        done = make_services(tmp_path, "start", "poppler-utils", PATH=f"{program.parent}:{os.environ['PATH']}")
        assert done.returncode == 0, done.stdout + done.stderr
        listings.append((tmp_path / "services/services.json").read_text())
    assert json.loads(listings[0])["services"] == {"poppler-utils": {"path": str(program)}}
    assert listings[0] == listings[1]


def test_what_cannot_be_had_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    tool = tmp_path / "dcmdump"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    done = make_services(tmp_path, "start", "keycloak", "chromium", "dcmtk", PATH=str(tmp_path))
    assert done.returncode == 1
    said = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "java is not on PATH; install Java 17" in said["keycloak"]
    assert "install what Debian calls chromium" in said["chromium"]
    assert str(tool) in said["dcmtk"]
    assert done.stdout.splitlines()[-1] == "not there: keycloak chromium"


def test_unknown_parts_are_wrong_usage(tmp_path: Path) -> None:
    done = make_services(tmp_path, "start", "postgresql", "oracle")
    assert done.returncode == 2
    assert "unknown part oracle; there are postgresql minio" in done.stderr
