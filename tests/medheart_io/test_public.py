"""The public names, the error boundary, and what importing costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import medheart_io
from medheart.errors import GeometryError, ImageRejected, SchemaError
from medheart_io.boundary import rejecting


def test_names_are_sorted_and_there() -> None:
    assert medheart_io.__all__ == sorted(medheart_io.__all__)
    for name in medheart_io.__all__:
        assert callable(getattr(medheart_io, name))
    with pytest.raises(AttributeError):
        _ = medheart_io.nothing


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("x"), "unreadable"),
        (RecursionError("x"), "unreadable"),
        (MemoryError(), "too_large"),
        (OverflowError(), "too_large"),
        (EOFError(), "truncated"),
        (FileNotFoundError(), "not_found"),
        (GeometryError("x", code="sheared"), "sheared"),
        (ImageRejected("x", code="own"), "own"),
    ],
)
def test_foreign_exceptions_are_translated(error: Exception, code: str) -> None:
    with pytest.raises(ImageRejected) as caught, rejecting(Path("folder/a.dcm")):
        raise error
    assert caught.value.code == code
    assert "folder" not in caught.value.message


def test_schema_errors_pass() -> None:
    with pytest.raises(SchemaError), rejecting(Path("a")):
        raise SchemaError("x")


def test_importing_brings_no_heavy_library() -> None:
    heavy = "('pydicom', 'nibabel', 'SimpleITK', 'highdicom', 'nrrd', 'scipy')"
    code = f"import sys; from medheart_io import *; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
