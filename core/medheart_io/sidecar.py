"""Data files that a header names: only a regular file of the same folder, by its base name."""

from __future__ import annotations

from pathlib import Path

from medheart_io.boundary import reject

__all__ = ["data_file"]


def data_file(header: Path, name: str) -> Path:
    """Return the file beside `header` that its header calls `name`.

    Raises
    ------
    ImageRejected
        `outside_path` if `name` holds a folder or the file is a link, `data_file_missing` if it is not there.
    """
    text = name.strip()
    if not text or text in {".", ".."} or any(mark in text for mark in "/\\:\0"):
        raise reject(header, "may only name a data file of its own folder, by its base name", "outside_path")
    path = header.parent / text
    if path.is_symlink():
        raise reject(header, "its data file is a link, expected a file", "outside_path")
    if not path.is_file():
        raise reject(header, "its data file is not beside it", "data_file_missing", missing=text)
    return path
