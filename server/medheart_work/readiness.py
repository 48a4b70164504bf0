"""The processes of an installation, and how to tell that each is ready."""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from medheart.errors import Unavailable
from medheart.settings import Settings
from medheart.wire.service import installation

__all__ = ["HEARTBEAT_LIMIT_S", "PARTS", "Part", "get_json", "heartbeat", "is_taken"]

HEARTBEAT_LIMIT_S = 15.0
"""A worker that has not touched its heartbeat for longer is gone."""

_TIMEOUT_S = 15.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Part:
    """A process of the installation.

    Parameters
    ----------
    name, title : str
        Stable key, and name for people.
    module : str
        Started by `python -m`.
    ready : callable
        Whether it answers and can work, given the settings.
    port_setting : str
        Name of the setting with its port; empty where it has none.
    arguments : tuple of str
        Given to the module.
    """

    name: str
    title: str
    module: str
    ready: Callable[[Settings], bool]
    port_setting: str = ""
    arguments: tuple[str, ...] = ()

    def port(self, settings: Settings) -> int | None:
        """Return its TCP port, None where it has none."""
        return int(getattr(settings, self.port_setting)) if self.port_setting else None

    def is_starting(self, settings: Settings) -> bool:
        """Whether what listens on its port is a MedHeart process that lives, ready or not yet."""
        reply = get_json(f"http://{settings.host}:{self.port(settings)}/livez")
        return reply is not None and reply.get("status") == "alive"

    def serves_another(self, settings: Settings) -> bool:
        """Whether what listens on its port says that it serves another home folder."""
        reply = get_json(f"http://{settings.host}:{self.port(settings)}/readyz") or {}
        return bool(reply.get("installation", installation(settings.home)) != installation(settings.home))


def get_json(url: str) -> dict[str, Any] | None:
    """Return the JSON object behind a URL on this machine, of any status; None where nothing of the kind answers."""
    try:
        with _answer(url) as reply:
            data = json.load(reply)
    except (OSError, ValueError, HTTPException):  # URLError is an OSError
        return None
    return data if isinstance(data, dict) else None


def _answer(url: str) -> Any:
    try:
        return _DIRECT.open(url, timeout=_TIMEOUT_S)
    except HTTPError as refusal:
        return refusal


def is_taken(host: str, port: int) -> bool:
    """Whether something listens on a port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(_TIMEOUT_S)
        return probe.connect_ex((host, port)) == 0


def heartbeat(settings: Settings) -> Path:
    """Return the file that a living worker writes its process id to every few seconds."""
    return settings.home / "run" / "worker.alive"


def _answers(settings: Settings, url: str) -> bool:
    """Whether what answers there is ready, and serves this home."""
    reply = get_json(f"{url}/readyz") or {}
    return reply.get("status") == "ready" and reply.get("installation") == installation(settings.home)


def _host_ready(settings: Settings) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_TIMEOUT_S)
        try:
            return probe.connect_ex(str(settings.host_socket)) == 0
        except OSError as error:
            raise Unavailable(
                f"{settings.host_socket}: not a usable socket path ({error}); choose a shorter MEDHEART_HOME",
                code="socket_path",
            ) from error


def _label_ready(settings: Settings) -> bool:
    return _answers(settings, settings.label_url)


def _service_ready(settings: Settings) -> bool:
    return _answers(settings, settings.service_url)


def _worker_ready(settings: Settings) -> bool:
    path = heartbeat(settings)
    try:
        pid = int(path.read_text(encoding="ascii"))
        os.kill(pid, 0)
        return time.time() - path.stat().st_mtime < HEARTBEAT_LIMIT_S
    except (OSError, ValueError):
        return False


PARTS = (
    Part("host", "model host", "medheart_models.host", _host_ready),
    Part("label", "label server", "medheart_labeling", _label_ready, "label_port", ("--no-model-host",)),
    Part("service", "service", "medheart_server", _service_ready, "service_port"),
    Part("worker", "job worker", "medheart_work.worker", _worker_ready),
)
"""In the order in which they start."""
