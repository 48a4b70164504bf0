"""MONAI Label sessions: images that are looked at without becoming part of the store.

Each lies in a folder of its own named by a random id, with `session.json` beside it, so that sessions
survive a restart; what has expired is removed. Uploads get names of ours and are read once by
`medheart_io` before they are kept: what it refuses never becomes a session.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from medheart.errors import MedHeartError, NotFound
from medheart.volume import Volume
from medheart_labeling.cases import read_upload
from medheart_labeling.ids import check_id

__all__ = ["MAX_EXPIRY_S", "Sessions"]

MAX_EXPIRY_S = 3600


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
        shutil.rmtree(self._folder / session)
        return info

    def remove_expired(self) -> int:
        """Remove the sessions that have expired; return how many."""
        expired = [
            path for path in self._folder.iterdir() if (path / "session.json").is_file() and _expired(_load(path))
        ]
        for path in expired:
            shutil.rmtree(path)
        return len(expired)


def _read(image: Path) -> Volume:
    from medheart_io import read_image

    if image.is_dir():
        return read_image(image)
    with tempfile.TemporaryDirectory(prefix="medheart-") as folder:
        return read_upload(image, Path(folder))[0]


def _expired(info: dict[str, Any]) -> bool:
    return bool(info["last_access_ts"] + info["expiry"] < time.time())


def _load(path: Path) -> dict[str, Any]:
    return dict(json.loads((path / "session.json").read_text(encoding="utf-8")))


def _write(path: Path, info: dict[str, Any]) -> None:
    fresh = path / f".{uuid.uuid4().hex}"
    fresh.write_text(json.dumps(info), encoding="utf-8")
    fresh.replace(path / "session.json")
