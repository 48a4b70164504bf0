"""The cases of a folder, each with a name for its result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from medheart.errors import ImageRejected
from medheart_io import scan

__all__ = ["cases_in", "stem"]

_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm")


def cases_in(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Return path and result name of every image of files and folders; rejected files are left out.

    A name is that of the file or series folder without its ending. Equal names, upper and lower case apart, get a
    number, the first that makes a name of no other case.
    """
    for path in paths:
        if not path.exists():
            raise ImageRejected(f"{path}: there is no such file or folder", code="not_there", path=str(path))
    found = [candidate.path for candidate in scan(paths) if candidate.status != "rejected"]
    return list(zip(found, _distinct([stem(path) for path in found]), strict=True))


def _distinct(names: Sequence[str]) -> list[str]:
    occurrences = Counter(name.casefold() for name in names)
    taken = {name for name, number in occurrences.items() if number == 1}
    distinct = []
    for name in names:
        own = name
        if occurrences[name.casefold()] > 1:
            own = next(own for n in count(1) if (own := f"{name}-{n:03d}").casefold() not in taken)
            taken.add(own.casefold())
        distinct.append(own)
    return distinct


def stem(path: Path) -> str:
    """Return the name of an image file without its ending, or of a folder."""
    ending = next((ending for ending in _ENDINGS if path.name.lower().endswith(ending)), "")
    return path.name[: len(path.name) - len(ending)]
