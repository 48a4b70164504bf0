"""Unpacking an uploaded zip: limited in number and size, under its own names, nothing outside the folder."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

from medheart_io.boundary import reject, rejecting

__all__ = ["unpack_zip"]

_MAX_MEMBERS = 20_000
_MAX_TOTAL = 8 * 2**30
_RATIO = 200
_ALLOWANCE = 256 * 2**20
_CHUNK = 2**20
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""The only ones that `zipfile` inflates piece by piece; of the others one read gives a whole member."""


def unpack_zip(path: Path, folder: Path) -> list[Path]:
    """Unpack into `folder`; sub-folders of the zip are kept apart, links, absolute and parent names refused.

    Parameters
    ----------
    path : pathlib.Path
        Zip file.
    folder : pathlib.Path
        Existing, empty folder.

    Returns
    -------
    list of pathlib.Path
        Files written.

    Raises
    ------
    ImageRejected
        `bad_archive`, `bomb` if it inflates to more than 200 times its size (256 MiB are always allowed),
        `outside_path`, `unreadable`.
    """
    budget = min(_MAX_TOTAL, max(_ALLOWANCE, _RATIO * path.stat().st_size))
    written: list[Path] = []
    with rejecting(path), zipfile.ZipFile(path) as archive:
        members = [m for m in archive.infolist() if not m.is_dir()]
        if len(members) > _MAX_MEMBERS:
            raise reject(path, f"holds {len(members)} files, at most {_MAX_MEMBERS} are allowed", "bad_archive")
        for member in members:
            target = folder / _inner_path(member, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            budget -= _copy(archive, member, target, budget, path)
            written.append(target)
    return written


def _inner_path(member: zipfile.ZipInfo, path: Path) -> Path:
    parts = member.filename.replace("\\", "/").split("/")
    if member.filename.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in member.filename:
        raise reject(path, "holds a name that leads outside of it", "outside_path")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise reject(path, "holds a link", "outside_path")
    if member.flag_bits & 1:
        raise reject(path, "is encrypted", "bad_archive")
    if member.compress_type not in _METHODS:
        text = f"is compressed by method {member.compress_type}, expected stored (0) or deflated (8)"
        raise reject(path, text, "bad_archive")
    if member.filename.lower().endswith(".zip"):
        raise reject(path, "holds another zip", "bad_archive")
    return Path(*[part for part in parts if part not in {"", "."}])


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, budget: int, path: Path) -> int:
    done = 0
    with archive.open(member) as source, target.open("xb") as sink:
        while piece := source.read(_CHUNK):
            done += len(piece)
            if done > budget:
                raise reject(path, "inflates to more bytes than allowed", "bomb")
            sink.write(piece)
    return done
