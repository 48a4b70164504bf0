"""The cases of a folder, each with a name for its result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from medheart.errors import ImageRejected
from medheart_io import scan

__all__ = ["cases_in", "stem"]

_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm")


def cases_in(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Return path and result name of every image of files and folders; rejected files are left out.

    A name is that of the file or series folder without its ending; equal names get a number.
    """
    for path in paths:
        if not path.exists():
            raise ImageRejected(f"{path}: there is no such file or folder", code="not_there", path=str(path))
    found = [candidate.path for candidate in scan(paths) if candidate.status != "rejected"]
    names = [stem(path) for path in found]
    counts = Counter(names)
    return [
        (path, name if counts[name] == 1 else f"{name}-{n:03d}")
        for n, (path, name) in enumerate(zip(found, names, strict=True), start=1)
    ]


def stem(path: Path) -> str:
    """Return the name of an image file without its ending, or of a folder."""
    ending = next((ending for ending in _ENDINGS if path.name.lower().endswith(ending)), "")
    return path.name[: len(path.name) - len(ending)]
