"""The folder of `--studies`: its images are imported at the start, as users of MONAI Label expect.

A process of its own imports (`medheart_work.studies`), so that readers of foreign files stay outside the
server. One thread waits for it and notes the files' names on the images; it owns the process, `stop` ends it.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medheart.errors import MedHeartError
from medheart.settings import Settings
from medheart_labeling.notes import Notes

__all__ = ["StudiesFolder"]

_log = logging.getLogger(__name__)

# Of other files, DICOM above all, the name may be a person's.
_NAMED = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
_SENT = ".nii.gz"


class StudiesFolder:
    """A folder whose images are imported once, in the background.

    Parameters
    ----------
    settings : Settings
        Of the installation.
    folder : pathlib.Path
        DICOM, NIfTI, NRRD, MetaImage, at any depth.

    Raises
    ------
    MedHeartError
        `usage`, if there is no such folder.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        if not folder.is_dir():
            raise MedHeartError(f"{folder}: there is no such folder; --studies takes a folder of images", code="usage")
        self._settings = settings
        self._folder = folder.absolute()
        self._state = "loading"
        self._process: subprocess.Popen[str] | None = None
        self._stopped = threading.Event()

    @property
    def state(self) -> str:
        """`loading`, `ready` or `failed`."""
        return self._state

    def begin(self, notes: Notes) -> None:
        """Start importing; file names become the `name` in the info of images."""
        threading.Thread(target=self._run, args=(notes,), name="studies", daemon=True).start()

    def stop(self) -> None:
        """End the import if it still runs; the next start goes on with it."""
        self._stopped.set()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def _run(self, notes: Notes) -> None:
        try:
            lines = self._import()
        except (OSError, MedHeartError) as error:
            self._state = "failed"
            if not self._stopped.is_set():
                _log.error("--studies %s: %s", self._folder, error)
            return
        self._note(lines, notes.update_info)
        self._state = "ready"

    def _import(self) -> list[dict[str, Any]]:
        command = [sys.executable, "-m", "medheart_work.studies", str(self._folder)]
        environment = {**os.environ, "MEDHEART_HOME": str(self._settings.home)}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        if self._stopped.is_set():
            self._process.terminate()
        told, complaint = self._process.communicate()
        if self._process.returncode:
            raise MedHeartError(complaint.strip().splitlines()[-1] if complaint.strip() else "the import ended")
        return [json.loads(line) for line in told.splitlines()]

    def _note(self, cases: list[dict[str, Any]], note: Callable[[str, str, dict[str, Any]], Any]) -> None:
        taken = [case for case in cases if case["status"] == "accepted" and case["series"]]
        for case in taken:
            name = _downloaded_name(Path(case["path"]).name)
            if case["kind"] == "volume" and name is not None:
                note("image", case["series"], {"name": name})
        for case in cases:
            if case["status"] != "accepted":
                _log.warning("--studies: %s: left out: %s", case["path"], case["message"])
        _log.info("--studies %s: %d of %d cases are in the store", self._folder, len(taken), len(cases))


def _downloaded_name(name: str) -> str | None:
    """Return a file's name with the ending of the NIfTI file that clients download; None where it is not told.

    3D Slicer chooses the reader of a download by the ending of the name it was told.
    """
    ending = next((ending for ending in _NAMED if name.lower().endswith(ending)), None)
    return None if ending is None else f"{name[: -len(ending)]}{_SENT}"
