"""Print the tests of what changed, for `make check`: `python -m scripts.changed_tests`.

What changed is what differs, committed or not, from where the branch left origin/main (or main, or else from the
commit before this one). A package's tests lie in the folder of its name; the quick ones of the floor that everything
stands on are always among them.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["changed_files", "tests_of"]

ROOT = Path(__file__).resolve().parent.parent
ALWAYS = ("medheart", "medheart_runtime", "medheart_measure")
DOCUMENTS = ("README.md", "pyproject.toml", "requirements.lock", "docs")
ELSEWHERE = ("SlicerMedHeart", "e2e", "services", "soak")  # slow, or in need of an environment of their own


def _git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


def changed_files() -> list[str]:
    """Return the paths, relative to the root, of what differs from the main line."""
    bases = _git("merge-base", "HEAD", "origin/main") or _git("merge-base", "HEAD", "main")
    if not bases or bases == _git("rev-parse", "HEAD"):
        bases = ["HEAD~1"]
    return _git("diff", "--name-only", bases[0]) + _git("ls-files", "--others", "--exclude-standard")


def tests_of(changed: Iterable[str], *, root: Path = ROOT) -> list[str]:
    """Return the test folders and files of changed paths, those of the changes first."""
    found: dict[str, None] = {}
    for path in sorted(changed):
        first, second, *_ = [*path.split("/"), ""]
        if first in {"core", "server"} or (first == "tests" and second not in ELSEWHERE):
            found[f"tests/{second}"] = None
        if first in DOCUMENTS or second in {"medheart_cli", "medheart_models"}:
            found["tests/test_docs.py"] = None
        if first in {"Makefile", "scripts"}:
            found["tests/test_changed_tests.py"] = None
    found |= {f"tests/{name}": None for name in ALWAYS}
    return [name for name in found if (root / name).is_dir() or ("/test_" in name and (root / name).is_file())]


if __name__ == "__main__":
    sys.stdout.write(" ".join(tests_of(changed_files())) + "\n")
