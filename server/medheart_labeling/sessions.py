"""MONAI Label sessions: images that are looked at without becoming part of the store.

Each lies in a folder of its own named by a random id, with `session.json` beside it, so that sessions
survive a restart. Uploads get names of ours and are read once by `medheart_io` before they are kept: what it
refuses never becomes a session. One thread removes what has expired, and what a crash left half made;
requests do so too, and none minds that another was faster.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from medheart.errors import Busy, MedHeartError, NotFound
from medheart.volume import Volume
from medheart_labeling.cases import read_upload
from medheart_labeling.ids import check_id

__all__ = ["MAX_EXPIRY_S", "Sessions"]

MAX_EXPIRY_S = 3600
_SWEEP_S = 300.0
_SPARE_BYTES = 1 << 30
_log = logging.getLogger(__name__)


class Sessions:
    """The sessions of one installation.

    Parameters
    ----------
    folder : pathlib.Path
        Made if missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._closed = threading.Event()

    def keep_swept(self) -> None:
        """Remove what has expired, now and every few minutes, until `close`."""
        threading.Thread(target=self._sweep, name="sessions", daemon=True).start()

    def close(self) -> None:
        """End the thread of `keep_swept`; sessions stay for the next start."""
        self._closed.set()

    def check_room(self, size: int) -> None:
        """Raise Busy (`disk_full`) where the disk has no room for an upload of so many bytes."""
        if shutil.disk_usage(self._folder).free < 2 * size + _SPARE_BYTES:
            raise Busy("the disk is nearly full; free some space first", code="disk_full", retry_after_s=60)

    def add(self, files: Sequence[Path], *, expiry: int = 0) -> dict[str, Any]:
        """Make a session of one uploaded file, or of the files of one DICOM series.

        Parameters
        ----------
        files : sequence of pathlib.Path
            Uploaded files; they are moved.
        expiry : int
            Seconds without use after which it ends, at most `MAX_EXPIRY_S`.

        Returns
        -------
        dict
            Stock session info: `name` (its id), `path`, `image`, `meta`, `create_ts`, `last_access_ts`, `expiry`.

        Raises
        ------
        ImageRejected, NeedsChoice
            If the files are not one image.
        MedHeartError
            If there is no file.
        """
        if not files:
            raise MedHeartError("a session needs at least one file", code="bad_request")
        self.remove_expired()
        path = self._folder / uuid.uuid4().hex
        content = path / "files"
        content.mkdir(parents=True)
        with ExitStack() as on_error:
            on_error.callback(shutil.rmtree, path)
            for n, file in enumerate(files):
                shutil.move(file, content / f"{n:05d}{''.join(file.suffixes)}")
            image = content if len(files) > 1 else next(content.iterdir())
            _read(image)
            on_error.pop_all()
        now = int(time.time())
        info = {
            "name": path.name,
            "path": str(path),
            "image": str(image),
            "meta": {},
            "create_ts": now,
            "last_access_ts": now,
            "expiry": min(expiry, MAX_EXPIRY_S) if expiry > 0 else MAX_EXPIRY_S,
        }
        _write(path, info)
        return info

    def get(self, session: str, *, touch: bool = True) -> dict[str, Any]:
        """Return a session's info; raises NotFound where it never was or has expired."""
        path = self._folder / check_id("session", session)
        if not (path / "session.json").is_file() or _expired(info := _load(path)):
            raise NotFound(f"there is no session {session!r}; it may have expired")
        if touch:
            info["last_access_ts"] = int(time.time())
            _write(path, info)
        return info

    def volume(self, session: str) -> Volume:
        """Return the image of a session; raises NotFound."""
        return _read(Path(self.get(session)["image"]))

    def remove(self, session: str) -> dict[str, Any]:
        """End a session and return what it was; raises NotFound."""
        info = self.get(session, touch=False)
        shutil.rmtree(self._folder / session, ignore_errors=True)
        return info

    def remove_expired(self) -> int:
        """Remove the sessions that have expired and folders that never became one; return how many."""
        expired = [path for path in self._folder.iterdir() if _is_over(path)]
        for path in expired:
            shutil.rmtree(path, ignore_errors=True)
        return len(expired)

    def _sweep(self) -> None:
        while True:
            try:
                self.remove_expired()
            except OSError as error:
                _log.warning("sessions: %s", error)
            if self._closed.wait(_SWEEP_S):
                return


def _read(image: Path) -> Volume:
    from medheart_io import read_image

    if image.is_dir():
        return read_image(image)
    with tempfile.TemporaryDirectory(prefix="medheart-") as folder:
        return read_upload(image, Path(folder))[0]


def _expired(info: dict[str, Any]) -> bool:
    return bool(info["last_access_ts"] + info["expiry"] < time.time())


def _is_over(folder: Path) -> bool:
    """Whether a session has expired; one without a record is being made, or was left by a crash."""
    try:
        return _expired(_load(folder))
    except (FileNotFoundError, NotADirectoryError):
        with suppress(FileNotFoundError):  # another one may just have removed it
            return folder.stat().st_mtime + MAX_EXPIRY_S < time.time()
    return False


def _load(path: Path) -> dict[str, Any]:
    return dict(json.loads((path / "session.json").read_text(encoding="utf-8")))


def _write(path: Path, info: dict[str, Any]) -> None:
    fresh = path / f".{uuid.uuid4().hex}"
    fresh.write_text(json.dumps(info), encoding="utf-8")
    fresh.replace(path / "session.json")
