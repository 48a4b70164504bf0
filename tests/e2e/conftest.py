"""An installation of its own: home, ports, exported networks, and the command line as a process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Installation:
    """Environment of an installation, and its command line."""

    environment: dict[str, str]

    def medheart(self, *arguments: str | Path, timeout_s: float = 280) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "medheart_cli", *map(str, arguments)]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def json(self, *arguments: str | Path) -> Any:
        done = self.medheart(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    environment = {
        **os.environ,
        "MEDHEART_HOME": str(tmp_path_factory.mktemp("e2e")),
        "MEDHEART_LABEL_PORT": str(_free_port()),
        "MEDHEART_SERVICE_PORT": str(_free_port()),
        "MEDHEART_LANGUAGE": "en",
    }
    command = [sys.executable, "-m", "medheart_models.training.export"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return Installation(environment)


@pytest.fixture
def gone() -> Callable[[Installation], bool]:
    """Whether nothing of an installation listens any more."""

    def check(installation: Installation) -> bool:
        for name in ("MEDHEART_LABEL_PORT", "MEDHEART_SERVICE_PORT"):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(installation.environment[name]))) == 0:
                    return False
        return True

    return check
