"""Clearing away what jobs left behind and nobody needs any more.

A job removes its own upload and its own copies of images, however it ends. What is left then is of processes
that died, and of jobs that were cancelled before they began or while no worker ran.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from medheart.settings import Settings
from medheart_jobs import Jobs
from medheart_work.files import locked

__all__ = ["sweep"]

_UPLOADS_S = 3600.0
"""Longer than from the last byte of an upload to its job; uploads that are being received grow meanwhile."""
_RESULTS_S = 24 * 3600.0
_LOG = logging.getLogger(__name__)


def sweep(settings: Settings, jobs: Jobs) -> list[Path]:
    """Remove uploads, results and images of trainings that no job needs; return the folders removed.

    Uploads go an hour after they came unless a job that waits or runs names them, results that nobody fetched
    a day after they were made, images that were handed to a training as soon as no process holds them.
    """
    old = [*_older(settings.home / "uploads", _UPLOADS_S), *_older(settings.home / "results", _RESULTS_S)]
    needed = {arguments.get(name) for arguments in jobs.unfinished() for name in ("upload", "folder")} if old else set()
    gone = [_removed(folder) for folder in old if folder.name not in needed]
    for images in sorted((settings.home / "training").glob("*/*/data")):
        with suppress(FileNotFoundError), locked(images.parent) as unused:
            if unused:
                gone.append(_removed(images))
    return gone


def _removed(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    _LOG.info("removed %s, which no job needs", folder)
    return folder


def _older(home: Path, seconds: float) -> Iterator[Path]:
    """Yield the folders in `home` in which nothing was written for so long."""
    for folder in home.iterdir() if home.is_dir() else ():
        with suppress(FileNotFoundError, NotADirectoryError):  # somebody else has just removed it
            latest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
            if time.time() - latest > seconds:
                yield folder
