"""Real model hosts as processes on sockets of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from medheart.settings import Settings
from medheart_models.host.client import HostClient

SCRIPT = Path(__file__).resolve().parent.parent / "tiny_tasks.py"


@dataclass
class RunningHost:
    """A host process, its settings and its log."""

    process: subprocess.Popen[bytes]
    settings: Settings
    log: Path

    def http(self) -> httpx.Client:
        """Return a bare HTTP client on the socket."""
        transport = httpx.HTTPTransport(uds=str(self.settings.host_socket))
        return httpx.Client(transport=transport, base_url="http://host", timeout=20)

    def client(self, name: str = "test") -> HostClient:
        """Return the real client."""
        return HostClient(self.settings.host_socket, name=name)

    def stop(self) -> int:
        """Stop it as an administrator does; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)


def launch(settings: Settings, *, queue: int = 4) -> RunningHost:
    """Start a host and return at once."""
    log = settings.home / f"host-{time.monotonic_ns()}.log"
    environment = {**os.environ, "MEDHEART_HOME": str(settings.home), "MEDHEART_DEVICE": "cpu"}
    with log.open("wb") as stream:
        process = subprocess.Popen([sys.executable, SCRIPT, str(queue)], env=environment, stderr=stream)
    return RunningHost(process, settings, log)


def wait_until_live(host: RunningHost, *, seconds: float = 30) -> None:
    """Wait until the host answers; fails with its log."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and host.process.poll() is None:
        if host.settings.host_socket.exists():
            try:
                with host.http() as http:
                    assert http.get("/livez").status_code == 200
                return
            except httpx.ConnectError:
                pass
        time.sleep(0.02)
    pytest.fail(f"the host did not answer within {seconds} s:\n{host.log.read_text()}")


@pytest.fixture(scope="session")
def exported(tiny: ModuleType) -> Iterator[Path]:
    """A home with the tiny networks; its path is short, because a socket's path may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="mh") as folder:
        tiny.export_networks(Settings(home=Path(folder)))
        yield Path(folder)


@pytest.fixture(scope="module")
def host(exported: Path) -> Iterator[RunningHost]:
    """One host for the tests of a module that leave it as it was."""
    running = launch(Settings(home=exported, device="cpu"))
    try:
        wait_until_live(running)
        yield running
    finally:
        running.process.kill()
        running.process.wait()


@pytest.fixture
def own_host(exported: Path) -> Iterator[Callable[..., RunningHost]]:
    """Return a function that starts a host of the test's own."""
    started: list[RunningHost] = []
    with tempfile.TemporaryDirectory(prefix="mh") as folder:
        (Path(folder) / "exports").symlink_to(exported / "exports")

        def start(*, wait: bool = True, queue: int = 4) -> RunningHost:
            running = launch(Settings(home=Path(folder), device="cpu"), queue=queue)
            started.append(running)
            if wait:
                wait_until_live(running)
            return running

        yield start
        for running in started:
            running.process.kill()
            running.process.wait()
