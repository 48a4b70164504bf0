"""Long loops over the store: `kill -9` at any moment, and several processes at one time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., dict[str, Any]]


def test_killed_writers_leave_whole_versions(run_script: Run, tmp_path: Path) -> None:
    result = run_script("soak_crash.py", tmp_path)
    assert result["problems"] == []
    assert result["killed"] >= 5
    assert result["acknowledged"] > 0


def test_leases_and_heads_under_many_processes(run_script: Run, tmp_path: Path) -> None:
    result = run_script("soak_leases.py", tmp_path)
    assert result["problems"] == []
    assert result["killed"] > 0
    assert result["outcomes"]["lease"] > 0
    assert result["outcomes"]["version"] > 0
