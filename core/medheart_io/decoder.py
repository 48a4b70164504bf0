"""Warm processes that decode compressed DICOM frames.

Concurrency: a `DecoderPool` owns its workers. `_idle` holds those that nobody uses; a thread takes one out
of it, alone talks to it, and puts it back. `_lock` guards the count of workers and is never held while
waiting for one. A worker that dies, hangs or answers nonsense is killed and replaced.
"""

from __future__ import annotations

import atexit
import os
import queue
import subprocess
import sys
import threading
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart_io.boundary import reject
from medheart_io.decoder_worker import receive, send

__all__ = ["DecoderPool", "decoder_pool"]

_CPU_SECONDS = 3.0
_CPU_SECONDS_PER_PIXEL = 2e-6
_TIMEOUT_S = 300.0
_MAX_WORKERS = 4


class DecoderPool:
    """Up to `size` worker processes, started when first needed.

    Parameters
    ----------
    size : int
        Workers at most.
    cpu_seconds : float
        Processor time that one frame may take, beside 2 µs per pixel.
    timeout_s : float
        Seconds after which a worker counts as hanging, however busy the machine is.
    """

    def __init__(self, size: int, *, cpu_seconds: float = _CPU_SECONDS, timeout_s: float = _TIMEOUT_S) -> None:
        self.size = size
        self._cpu_seconds = cpu_seconds
        self._timeout_s = timeout_s
        self._idle: queue.LifoQueue[subprocess.Popen[bytes]] = queue.LifoQueue()
        self._lock = threading.Lock()
        self._count = 0

    def decode(self, request: dict[str, Any], frame: bytes, path: Path) -> NDArray[Any]:
        """Decode one frame.

        Parameters
        ----------
        request : dict
            `syntax`, `decoding_plugin` and the pixel description, as `decoder_worker` takes them.
        frame : bytes
            Encoded frame.
        path : pathlib.Path
            Named in errors.

        Returns
        -------
        numpy.ndarray
            (rows, columns), stored values.

        Raises
        ------
        ImageRejected
            `decoder_failed` if the frame cannot be decoded, or its decoder crashes or hangs.
        """
        worker = self._take()
        timer = threading.Timer(self._timeout_s, worker.kill)
        timer.start()
        try:
            assert worker.stdin is not None and worker.stdout is not None
            send(worker.stdin, {**request, "seconds": self._seconds(request)}, frame)  # type: ignore[arg-type]
            reply, payload = receive(worker.stdout)  # type: ignore[arg-type]
        except (EOFError, OSError, ValueError) as error:
            self._drop(worker)
            raise reject(path, "its decoder crashed or took too long", "decoder_failed") from error
        finally:
            timer.cancel()
        self._idle.put(worker)
        if "error" in reply:
            raise reject(path, f"its pixels cannot be decoded ({reply['error']})", "decoder_failed")
        return np.frombuffer(payload, dtype=np.dtype(reply["dtype"])).reshape(reply["shape"])

    @property
    def workers(self) -> int:
        """Number of processes."""
        return self._count

    def close(self) -> None:
        """End the idle workers."""
        while True:
            try:
                self._drop(self._idle.get_nowait())
            except queue.Empty:
                return

    def _seconds(self, request: dict[str, Any]) -> float:
        return self._cpu_seconds + _CPU_SECONDS_PER_PIXEL * int(request["rows"]) * int(request["columns"])

    def _take(self) -> subprocess.Popen[bytes]:
        with self._lock:
            start = self._idle.empty() and self._count < self.size
            self._count += start
        if not start:
            return self._idle.get()
        with ExitStack() as on_error:
            on_error.callback(self._count_down)
            worker = _start()
            on_error.pop_all()
        return worker

    def _count_down(self) -> None:
        with self._lock:
            self._count -= 1

    def _drop(self, worker: subprocess.Popen[bytes]) -> None:
        self._count_down()
        worker.kill()
        worker.wait()
        for stream in (worker.stdin, worker.stdout):
            if stream is not None:
                stream.close()


def _start() -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "medheart_io.decoder_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )


@cache
def decoder_pool() -> DecoderPool:
    """Return the pool of this process."""
    pool = DecoderPool(min(_MAX_WORKERS, os.cpu_count() or 1))
    atexit.register(pool.close)
    return pool
