"""Warm processes that decode compressed DICOM frames.

Concurrency: a `DecoderPool` owns its workers. `_idle` holds one place for each that may run: the worker that
nobody uses, or None where it is still to be started. A thread takes a place out of it, alone talks to its
worker, and puts the place back. `_lock` guards the count of workers and is never held while waiting for a
place. A worker that dies, hangs or answers nonsense is killed, and its place is empty again.
"""

from __future__ import annotations

import atexit
import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
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
_ENVIRONMENT = ["DYLD_LIBRARY_PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONHOME", "SYSTEMROOT"]
_ENVIRONMENT += ["TEMP", "TMP", "TMPDIR"]
"""All that a process which runs codecs on foreign bytes gets to know of this one's environment: no keys."""


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
        self._idle: queue.LifoQueue[subprocess.Popen[bytes] | None] = queue.LifoQueue()
        for _ in range(size):
            self._idle.put(None)
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
        worker, answered = self._take(), False
        timer = threading.Timer(self._timeout_s, worker.kill)
        timer.start()
        try:
            assert worker.stdin is not None and worker.stdout is not None
            send(worker.stdin, {**request, "seconds": self._seconds(request)}, frame)  # type: ignore[arg-type]
            reply, payload = receive(worker.stdout)  # type: ignore[arg-type]
            answered = True
        except (EOFError, OSError, ValueError) as error:
            raise reject(path, "its decoder crashed or took too long", "decoder_failed") from error
        finally:
            timer.cancel()
            if answered:
                self._idle.put(worker)
            else:
                self._drop(worker)
        if "error" in reply:
            raise reject(path, f"its pixels cannot be decoded ({reply['error']})", "decoder_failed")
        return np.frombuffer(payload, dtype=np.dtype(reply["dtype"])).reshape(reply["shape"])

    @property
    def workers(self) -> int:
        """Number of processes."""
        return self._count

    def close(self) -> None:
        """End the idle workers."""
        idle = []
        with suppress(queue.Empty):
            while True:
                idle.append(self._idle.get_nowait())
        for worker in idle:
            if worker is None:
                self._idle.put(None)
            else:
                self._drop(worker)

    def _seconds(self, request: dict[str, Any]) -> float:
        return self._cpu_seconds + _CPU_SECONDS_PER_PIXEL * int(request["rows"]) * int(request["columns"])

    def _take(self) -> subprocess.Popen[bytes]:
        worker = self._idle.get()
        if worker is not None:
            return worker
        try:
            worker = _start()
        except BaseException:
            self._idle.put(None)
            raise
        with self._lock:
            self._count += 1
        return worker

    def _drop(self, worker: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._count -= 1
        # Whoever waits starts another one, even if this one cannot be cleared away.
        self._idle.put(None)
        worker.kill()
        worker.wait()
        for stream in (worker.stdin, worker.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


def _start() -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
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
