"""The model host as a child of the label server, where no other is running."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from medheart.settings import Settings

__all__ = ["ModelHost"]

_STOP_S = 35.0


class ModelHost:
    """Starts a model host if none answers, and ends what it started.

    Its input is a pipe that this process holds and writes nothing to: the host ends when the pipe does, that
    is also where this process was killed.

    A host that is started by others in the meantime holds the socket; ours then ends by itself.

    Parameters
    ----------
    settings : Settings
        `host_socket`, `home` and `device`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def answers(self) -> bool:
        """Whether something listens on the host's socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            return probe.connect_ex(str(self._settings.host_socket)) == 0

    def ensure(self) -> None:
        """Start a host unless one answers or is starting; returns at once."""
        with self._lock:
            starting = self._process is not None and self._process.poll() is None
            if not starting and not self.answers():
                self._process = self._start()

    def stop(self) -> None:
        """End the host if it is ours; it finishes what runs, within half a minute."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        # Leaving the block closes the pipe and waits.
        with process:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        log = Path(self._settings.home) / "logs" / "host.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "MEDHEART_HOME": str(self._settings.home),
            "MEDHEART_DEVICE": self._settings.device,
        }
        with log.open("ab") as stream:
            return subprocess.Popen(
                [sys.executable, "-m", "medheart_models.host", "--until-input-ends"],
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
