"""How long a soak runs: MEDHEART_SOAK_MINUTES under MEDHEART_SOAK=1, a few seconds otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SOAK = os.environ.get("MEDHEART_SOAK") == "1"
MINUTES = float(os.environ.get("MEDHEART_SOAK_MINUTES", "10"))
BOUNDED_S = 12.0
HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, and give it the time that it is meant to take."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.soak)
            item.add_marker(pytest.mark.timeout(MINUTES * 60 + 900 if SOAK else 240))


@pytest.fixture
def seconds() -> float:
    """How long one test may go on."""
    return MINUTES * 60 if SOAK else BOUNDED_S


@pytest.fixture
def seed() -> int:
    """Another seed each time under MEDHEART_SOAK=1; it is in the result."""
    return int.from_bytes(os.urandom(4)) if SOAK else 7


@pytest.fixture
def run_script(seconds: float, seed: int, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Return a function that runs a script of this folder as a process, prints its counts and returns them."""

    def run(name: str, *arguments: str | Path) -> dict[str, Any]:
        command = [sys.executable, "-W", "ignore", str(HERE / name), str(seed), str(seconds), *map(str, arguments)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + 600, check=False, env=environment
        )
        assert done.returncode == 0, (
            f"seed {seed}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
        )
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        with capsys.disabled():
            print(f"\n{name} seed {seed}: {json.dumps({k: v for k, v in result.items() if k != 'problems'})}")  # noqa: T201
        return result

    return run
