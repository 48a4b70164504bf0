"""Uploads: streamed to a folder of our own, under names of our own making; forms of files, or one bundle."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request

from medheart.errors import Busy, MedHeartError
from medheart.wire.bundle import BUNDLE

__all__ = ["Spooled", "forget_upload", "spool_bundle", "spool_files"]

MAX_FILES = 20_000
_SAFE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")
_OWN_NAME = re.compile(r"[A-Za-z0-9_-]+")
_CHUNK = 1 << 20
_SHOWN = 16
_SPARE_BYTES = 1 << 30
_receiving = asyncio.Semaphore(4)


@dataclass(frozen=True)
class Spooled:
    """Folder of an upload, and a digest over names and contents of its files.

    `fresh` is false where an earlier request with the same key and content left the folder: its job may be
    reading it.
    """

    folder: Path
    sha256: str
    fresh: bool

    def drop(self) -> None:
        """Remove the folder if this request made it: no job will read it."""
        if self.fresh:
            shutil.rmtree(self.folder, ignore_errors=True)


async def spool_files(request: Request, uploads: Path, *, key: str | None = None) -> Spooled:
    """Keep the files of a multipart form in a new folder under `uploads`.

    Base names are kept where they are safe and unique, so that a header finds the data file it names;
    others get a number. The sender's folders are not kept.

    Parameters
    ----------
    key : str, optional
        Idempotency key: the folder's name then follows from key and content. Random otherwise.

    Raises
    ------
    MedHeartError
        `no_files` if the form has none.
    Busy
        If several uploads are being received already, or the disk is nearly full.
    """
    _check_room(uploads, int(request.headers.get("content-length") or 0))
    if _receiving.locked():
        raise Busy("other uploads are being received; try again soon", retry_after_s=5)
    async with _receiving:
        return await _receive(request, uploads, key)


async def _receive(request: Request, uploads: Path, key: str | None) -> Spooled:
    async with request.form(max_files=MAX_FILES, max_fields=100) as form:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile) and value.filename]
        if not files:
            raise MedHeartError("the form has no file; send at least one in the field `files`", code="no_files")
        return await run_in_threadpool(_keep, files, uploads, key)


async def spool_bundle(request: Request, uploads: Path, *, key: str | None = None) -> Spooled:
    """Keep the body of a request, a bundle, as `BUNDLE` in a new folder under `uploads`.

    Raises
    ------
    Busy
        As `spool_files`.
    """
    _check_room(uploads, int(request.headers.get("content-length") or 0))
    if _receiving.locked():
        raise Busy("other uploads are being received; try again soon", retry_after_s=5)
    async with _receiving:
        fresh = Path(tempfile.mkdtemp(prefix=".receiving-", dir=uploads))
        try:
            digest = hashlib.sha256()
            with (fresh / BUNDLE).open("xb") as stream:
                async for piece in request.stream():
                    digest.update(piece)
                    await run_in_threadpool(stream.write, piece)
            return _named(fresh, uploads, key, digest.hexdigest())
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _check_room(uploads: Path, size: int) -> None:
    uploads.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(uploads).free < 3 * size + _SPARE_BYTES:
        raise Busy("the disk is nearly full; free some space first", code="disk_full", retry_after_s=60)


def _keep(files: list[UploadFile], uploads: Path, key: str | None) -> Spooled:
    fresh = Path(tempfile.mkdtemp(prefix=".receiving-", dir=uploads))
    try:
        digest = hashlib.sha256()
        for n, file in enumerate(files):
            target = fresh / _own_name(fresh, file.filename or "", n)
            digest.update(target.name.encode() + b"\0" + _copy(file, target))
        return _named(fresh, uploads, key, digest.hexdigest())
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _named(fresh: Path, uploads: Path, key: str | None, sha256: str) -> Spooled:
    """Give a received folder the name under which its job finds it, unless one of that name is there."""
    target = uploads / (f"{key}-{sha256[:_SHOWN]}" if key else secrets.token_hex(16))
    try:
        fresh.rename(target)
    except OSError:
        # A folder is never put in the place of one that holds files.
        if not target.is_dir():
            raise
        return Spooled(target, sha256, fresh=False)
    return Spooled(target, sha256, fresh=True)


def _own_name(folder: Path, given: str, number: int) -> str:
    base = PurePosixPath(given.replace("\\", "/")).name
    if _SAFE_NAME.fullmatch(base) and not (folder / base).exists():
        return base
    return f"file-{number:06d}"


def _copy(file: UploadFile, target: Path) -> bytes:
    """Copy an uploaded file and return its digest."""
    digest = hashlib.sha256()
    with target.open("xb") as stream:
        while piece := file.file.read(_CHUNK):
            digest.update(piece)
            stream.write(piece)
    return digest.digest()


def forget_upload(uploads: Path, name: str) -> None:
    """Remove an upload, by the name of its folder."""
    if _OWN_NAME.fullmatch(name):
        shutil.rmtree(uploads / name, ignore_errors=True)
