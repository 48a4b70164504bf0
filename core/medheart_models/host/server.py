"""Starts and stops the host: socket, signals, web server.

The socket's folder gets mode 0700 and the socket 0600 before anyone can connect: who may open it is
this user. `<socket>.lock` is held for as long as the host runs, so that there is one a socket; a socket
left by one that was killed is replaced. The first SIGTERM or SIGINT lets the running request end and
its result be fetched, for up to `_GRACE_S`; a second one does not wait.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from medheart.errors import MedHeartError
from medheart.settings import Settings
from medheart.task import Task
from medheart_models.host.app import Parts, make_app
from medheart_models.host.images import ImageStore
from medheart_models.host.scheduler import Scheduler
from medheart_models.predict import Predictor

__all__ = ["Limits", "serve"]

_GRACE_S = 30.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """Bounds of a host: waiting requests, and bytes of images, of prepared images and of results."""

    queue: int = 16
    images: int = 2 << 30
    prepared: int = 1 << 30
    results: int = 1 << 28


def serve(
    settings: Settings,
    *,
    load_task: Callable[[str], Task],
    task_ids: Sequence[str],
    limits: Limits = Limits(),
) -> None:
    """Serve until SIGTERM or SIGINT.

    Parameters
    ----------
    settings : Settings
        `host_socket`, `exports_dir`, `device`.
    load_task : callable
        Task id to task; raises TaskError for an unknown one.
    task_ids : sequence of str
        Tasks whose networks are loaded while nobody waits.
    limits : Limits

    Raises
    ------
    MedHeartError
        `already_running`, if another host holds the socket.
    """
    path = settings.host_socket
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    with _only_one(path.with_name(path.name + ".lock"), path), _bound(path) as listener:
        parts = _parts(settings, load_task, task_ids, limits)
        config = uvicorn.Config(make_app(parts), access_log=False, log_config=None, timeout_graceful_shutdown=5)
        log.info("model host listens on %s", path)
        _Server(config, parts.scheduler).run(sockets=[listener])
        log.info("model host stopped")


def _parts(settings: Settings, load_task: Callable[[str], Task], task_ids: Sequence[str], limits: Limits) -> Parts:
    predictor = Predictor(settings, prepared_bytes=limits.prepared)
    images = ImageStore(limits.images)
    warm = [load_task(task_id) for task_id in task_ids]
    scheduler = Scheduler(predictor, images, capacity=limits.queue, results_limit=limits.results, warm=warm)
    started = time.time()

    def info() -> dict[str, Any]:
        """Return what `/info` tells of the process."""
        return {
            "pid": os.getpid(),
            "started": started,
            "tasks": list(task_ids),
            "device": settings.device,
            "prepared_bytes": predictor.prepared_bytes,
            "prepared_limit": limits.prepared,
        }

    return Parts(images, scheduler, load_task, info)


@contextmanager
def _only_one(lock: Path, path: Path) -> Iterator[None]:
    with lock.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MedHeartError(f"{path}: a model host is running already", code="already_running") from error
        yield


@contextmanager
def _bound(path: Path) -> Iterator[socket.socket]:
    """Return the listening socket; whoever holds the lock may replace a stale one."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        except OSError as error:
            raise MedHeartError(f"{path}: cannot listen: {error}", code="socket") from error
        finally:
            os.umask(before)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


class _Server(uvicorn.Server):
    """Uvicorn that drains before it stops, and then exits with 0."""

    def __init__(self, config: uvicorn.Config, scheduler: Scheduler) -> None:
        super().__init__(config)
        self._scheduler = scheduler
        self._drain_until: float | None = None

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """Note the first signal; leave at once on the second. Runs between two bytecodes, so no locks."""
        if self._drain_until is not None:
            self.should_exit = True
        else:
            log.info("%s: finishing what runs", signal.Signals(sig).name)
            self._drain_until = time.monotonic() + _GRACE_S

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop; asked ten times a second."""
        if self._drain_until is not None:
            if not self._scheduler.draining:
                self._scheduler.drain()
            if self._scheduler.idle or time.monotonic() > self._drain_until:
                return True
        return await super().on_tick(counter)
