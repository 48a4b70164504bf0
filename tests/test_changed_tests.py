"""Which tests `make check` takes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SPEC = importlib.util.spec_from_file_location("changed_tests", ROOT / "scripts" / "changed_tests.py")
assert SPEC is not None
assert SPEC.loader is not None
script = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(script)
ALWAYS = ["tests/medheart", "tests/medheart_runtime", "tests/medheart_measure"]


@pytest.mark.parametrize(
    ("changed", "first"),
    [
        ("core/medheart_io/nrrd.py", ["tests/medheart_io"]),
        ("server/medheart_cli/verbs/train.py", ["tests/medheart_cli", "tests/test_docs.py"]),
        ("tests/medheart_store/conftest.py", ["tests/medheart_store"]),
        ("tests/test_docs.py", ["tests/test_docs.py"]),
        ("docs/commands.md", ["tests/test_docs.py"]),
        ("Makefile", ["tests/test_changed_tests.py"]),
        ("tests/conftest.py", []),
        ("tests/soak/soak_crash.py", []),
        ("SlicerMedHeart/MedHeart/MedHeart.py", []),
        ("core/medheart_that_went_away/one.py", []),
    ],
)
def test_a_change_brings_its_tests(changed: str, first: list[str]) -> None:
    assert script.tests_of([changed]) == first + ALWAYS


def test_what_is_always_tested_is_not_tested_twice() -> None:
    assert sorted(script.tests_of(["core/medheart/geometry.py"])) == sorted(ALWAYS)


def test_every_package_has_its_folder() -> None:
    packages = [path.parent for path in [*ROOT.glob("core/*/__init__.py"), *ROOT.glob("server/*/__init__.py")]]
    assert packages
    for package in packages:
        assert f"tests/{package.name}" in script.tests_of([str((package / "a.py").relative_to(ROOT))])
