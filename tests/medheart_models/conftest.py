"""The tiny tasks as a fixture."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).with_name("tiny_tasks.py")


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """Return the module `tiny_tasks`."""
    spec = importlib.util.spec_from_file_location("tiny_tasks", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tiny_tasks"] = module
    spec.loader.exec_module(module)
    return module
