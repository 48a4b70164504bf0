"""Reading with a limit on inflated bytes, and writing that leaves a whole file or none."""

from __future__ import annotations

import bz2
import gzip
import io
import math
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from medheart_io.boundary import reject

__all__ = ["ALLOWANCE", "LABEL_ALLOWANCE", "check_size", "inflate", "open_inflated", "read_voxels", "replacing", "skip"]

ALLOWANCE = 256 * 2**20
"""Bytes that any compressed image may inflate to; beyond it at most `_RATIO` times its compressed size."""
LABEL_ALLOWANCE = 2**30
"""The same for label maps, which compress far better than images."""
_RATIO = 200
_TRAILING = 2**20
_CHUNK = 2**20


def _budget(compressed: int, allowance: int) -> int:
    return max(allowance, _RATIO * compressed)


def inflate(data: bytes, path: Path | str, *, wbits: int, limit: int | None = None) -> bytes:
    """Return inflated `data`; raise `size_mismatch` as soon as it grows past `limit`, else `bomb` past its budget.

    Parameters
    ----------
    data : bytes
        zlib (`wbits=15`), gzip (`31`), either (`47`) or raw deflate (`-15`) stream.
    path : path-like
        Named in errors.
    limit : int, optional
        Bytes expected, where they are known and `check_size` accepted them.
    """
    budget = _budget(len(data), ALLOWANCE)
    engine = zlib.decompressobj(wbits)
    pieces, total = [], 0
    # What a call leaves is copied by zlib: a slice at a time, that is never more than a slice.
    view, at, rest = memoryview(data), 0, b""
    while (rest or at < len(view)) and not engine.eof:
        given = rest or view[at : at + _CHUNK]
        at += 0 if rest else len(given)
        piece = engine.decompress(given, _CHUNK)
        rest = engine.unconsumed_tail
        total += len(piece)
        if limit is not None and total > limit:
            raise reject(path, f"inflates to more than the {limit} bytes expected", "size_mismatch")
        if limit is None and total > budget:
            raise reject(path, f"inflates to more than {budget} bytes", "bomb")
        pieces.append(piece)
    pieces.append(engine.flush())
    if not engine.eof:
        raise reject(path, "the compressed data end too early", "truncated")
    return b"".join(pieces)


@contextmanager
def open_inflated(path: Path, *, offset: int = 0, encoding: str = "raw") -> Iterator[BinaryIO]:
    """Open `path` at `offset` for reading, through gzip or bzip2 where `encoding` says so."""
    with path.open("rb") as raw:
        raw.seek(offset)
        if encoding == "gzip":
            with gzip.GzipFile(fileobj=raw, mode="rb") as stream:
                yield io.BufferedReader(stream)
        elif encoding == "bzip2":
            with bz2.BZ2File(raw, "rb") as stream:
                yield stream  # type: ignore[misc]
        else:
            yield raw


def check_size(
    shape: tuple[int, ...], dtype: DTypeLike, path: Path, *, compressed: bool, allowance: int = ALLOWANCE
) -> int:
    """Return the bytes of declared voxels after holding them against the size of the file.

    Raises
    ------
    ImageRejected
        `bomb` if a compressed file would have to inflate past its budget, `truncated` if a plain one is too short.
    """
    count = math.prod(int(n) for n in shape) * np.dtype(dtype).itemsize
    there = path.stat().st_size
    limit = _budget(there, allowance)
    if compressed and count > limit:
        raise reject(path, f"declares {count} bytes of voxels, more than {limit} for a file of its size", "bomb")
    if not compressed and count > there:
        raise reject(path, f"declares {count} bytes of voxels, the file has {there}", "truncated")
    return count


def skip(stream: BinaryIO, count: int, path: Path) -> None:
    """Read past `count` bytes; raise `truncated` where there are fewer."""
    while count > 0:
        got = len(stream.read(min(count, _CHUNK)))
        if not got:
            raise reject(path, "ends before its voxels", "truncated")
        count -= got


def read_voxels(
    stream: BinaryIO, shape: tuple[int, ...], dtype: DTypeLike, path: Path, *, exact: bool = False
) -> NDArray[Any]:
    """Read exactly the declared voxels, then make sure that the file ends there.

    Parameters
    ----------
    stream : file
        Positioned at the first voxel.
    shape : tuple of int
        Sizes that `check_size` accepted, slowest axis first.
    dtype : dtype-like
        As stored, with byte order.
    exact : bool
        No trailing byte is allowed; otherwise up to 1 MiB.

    Returns
    -------
    numpy.ndarray
        `shape`, native byte order.

    Raises
    ------
    ImageRejected
        `truncated` or `size_mismatch`.
    """
    kind = np.dtype(dtype)
    array = np.empty(math.prod(shape), dtype=kind)
    _fill(stream, memoryview(array.view(np.uint8)), path)  # type: ignore[arg-type]
    _expect_end(stream, path, 0 if exact else _TRAILING)
    return array.astype(kind.newbyteorder("="), copy=False).reshape(shape)


def _fill(stream: BinaryIO, view: memoryview, path: Path) -> None:
    done, total = 0, len(view)
    while done < total:
        try:
            got = stream.readinto(view[done : done + 16 * _CHUNK])  # type: ignore[attr-defined]
        except EOFError:
            got = 0
        if not got:
            raise reject(path, f"ends after {done} of {total} bytes of voxels", "truncated")
        done += got


def _expect_end(stream: BinaryIO, path: Path, allowed: int) -> None:
    extra = len(stream.read(allowed + 1))
    if extra > allowed:
        raise reject(path, "holds more bytes than its header declares", "size_mismatch")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` with the same endings; on success it takes the place of `path`.

    Readers see the old file or the whole new one, never a part.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-", suffix="".join(path.suffixes[-2:]))
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        mode = 0o666 & ~_umask()
        temporary.chmod(mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
