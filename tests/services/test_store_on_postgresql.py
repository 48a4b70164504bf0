"""The tests of the label store, with its records in the real PostgreSQL."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

pytestmark = [pytest.mark.services, pytest.mark.slow]

HERE = Path(__file__).resolve().parent
MODULES = ("documents", "leases", "listing", "maintenance", "originals", "postgres", "store", "studies", "versions")


def test_the_stores_own_tests_pass(fresh_database: Callable[[], AbstractContextManager[str]]) -> None:
    files = [str(HERE.parent / "medheart_store" / f"test_{module}.py") for module in MODULES]
    with fresh_database() as url:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "store_on_postgresql", "-rs", *files],
            env={**os.environ, "PYTHONPATH": str(HERE), "MEDHEART_POSTGRES_URL": url},
            cwd=HERE.parent.parent, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:]
    (passed,) = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) > 60
    assert "skipped" not in done.stdout
