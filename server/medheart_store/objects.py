"""Immutable objects under content-derived keys, and their first home: a local folder.

A put is crash-safe: temporary file in the same folder, fsync, rename, fsync of the folder. Keys end
in the digest of what they name, so that two writers of one key write the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from medheart.errors import Corrupt, StoreError

__all__ = ["FolderObjects", "ObjectStore", "file_sha256"]

_KEY = re.compile(r"[a-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9_-]+)+")
_COPY_BYTES = 1 << 20
_TEMPORARY = ".tmp-"


class ObjectStore(Protocol):
    """What the store asks of a home for objects; keys are `/`-separated words of ours."""

    def put(self, key: str, data: bytes) -> None:
        """Keep `data` under `key`; returns once it would survive a power loss."""

    def put_file(self, key: str, path: Path, *, sha256: str) -> None:
        """Keep a copy of a file; raises StoreError if its bytes are not those of `sha256`."""

    def get(self, key: str) -> bytes:
        """Return the object; raises Corrupt if it is not there."""

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of each (offset, length); raises Corrupt if one reaches past the end."""

    def refresh(self, key: str) -> bool:
        """Make an object as young as one put now; return whether it is there."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys below `prefix`, sorted."""

    def age_s(self, key: str) -> float:
        """Return the seconds since the object was last put; 0 where it is gone."""

    def delete(self, key: str) -> None:
        """Remove an object that nothing names; no error if it is gone."""

    def sweep(self, prefix: str, *, older_than_s: float) -> None:
        """Remove what puts that were interrupted left behind below `prefix`."""


def file_sha256(path: Path) -> str:
    """Return the hex SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class FolderObjects:
    """Objects as files below `root`.

    Parameters
    ----------
    root : pathlib.Path
        Folder; made if missing, for its owner alone. On a local disk, not on NFS or SMB.
    clock : callable
        Seconds since the epoch.
    """

    def __init__(self, root: Path, *, clock: Callable[[], float]) -> None:
        self.root = root
        self._clock = clock
        try:
            _make_folder(root)
        except OSError as error:
            raise StoreError(f"cannot make the folder {root}: {error.strerror or error}", code="not_written") from error

    def put(self, key: str, data: bytes) -> None:
        """Keep `data` under `key`."""
        path = self._path(key)
        if self.refresh(key) and path.stat().st_size == len(data):
            return
        self._write(path, lambda stream: stream.write(data))

    def put_file(self, key: str, path: Path, *, sha256: str) -> None:
        """Keep a copy of a file whose SHA-256 is known."""
        target = self._path(key)
        if self.refresh(key) and target.stat().st_size == path.stat().st_size:
            return
        self._write(target, lambda stream: _copy_checked(path, stream, sha256))

    def get(self, key: str) -> bytes:
        """Return the whole object."""
        with self._reading(key) as stream:
            return stream.read()

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return parts of an object."""
        parts = []
        with self._reading(key) as stream:
            for offset, length in ranges:
                stream.seek(offset)
                parts.append(stream.read(length))
        for (offset, length), part in zip(ranges, parts, strict=True):
            if len(part) != length:
                raise Corrupt(f"object {key} ends before byte {offset + length}", key=key)
        return parts

    def refresh(self, key: str) -> bool:
        """Set the file's time to now, if it is there."""
        path = self._path(key)
        now = self._clock()
        try:
            os.utime(path, (now, now))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield keys below `prefix`."""
        for path in sorted((self.root / prefix).rglob("*")):
            if path.is_file() and not path.name.startswith(_TEMPORARY):
                yield path.relative_to(self.root).as_posix()

    def age_s(self, key: str) -> float:
        """Return the seconds since the last put of this key; 0 where it is gone."""
        try:
            return self._clock() - self._path(key).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def delete(self, key: str) -> None:
        """Remove the file."""
        self._path(key).unlink(missing_ok=True)

    def sweep(self, prefix: str, *, older_than_s: float) -> None:
        """Remove temporary files of writers that died."""
        for path in (self.root / prefix).rglob(f"{_TEMPORARY}*"):
            with suppress(FileNotFoundError):  # its writer has just finished
                if self._clock() - path.stat().st_mtime > older_than_s:
                    path.unlink()

    @contextmanager
    def _reading(self, key: str) -> Iterator[BinaryIO]:
        path = self._path(key)
        try:
            with path.open("rb") as stream:
                yield stream
        except FileNotFoundError as error:
            raise Corrupt(f"object {key} is missing from {self.root}", key=key) from error
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror or error}", code="not_read") from error

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise StoreError(f"object key {key!r} is not made of words and slashes", code="bad_key")
        return self.root / key

    def _write(self, path: Path, fill: Callable[[BinaryIO], object]) -> None:
        try:
            _make_folder(path.parent)
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=_TEMPORARY)
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    fill(stream)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.utime(temporary, (self._clock(), self._clock()))
                Path(temporary).replace(path)
            finally:
                Path(temporary).unlink(missing_ok=True)
            _sync_folder(path.parent)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror or error}", code="not_written") from error


def _copy_checked(source: Path, stream: BinaryIO, sha256: str) -> None:
    digest = hashlib.sha256()
    with source.open("rb") as reader:
        while part := reader.read(_COPY_BYTES):
            digest.update(part)
            stream.write(part)
    if digest.hexdigest() != sha256:
        raise StoreError(f"{source} changed while it was being stored", code="changed", path=str(source))


def _make_folder(path: Path) -> None:
    if path.is_dir():
        return
    _make_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
