"""`/logs` and what stock MONAI Label would do that we refuse."""

from __future__ import annotations

import shutil
import subprocess
from collections import deque
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from medheart.errors import MedHeartError, NotAllowed, NotFound
from medheart_labeling.routes.common import in_thread

__all__ = ["gpu", "logs", "no_archive", "no_weights"]

_MOST_LINES = 10_000


async def logs(request: Request) -> Response:
    """Send the last lines of the log."""
    lines = request.query_params.get("lines") or "300"
    if not lines.isdigit() or not 0 < int(lines) <= _MOST_LINES:
        raise MedHeartError(f"lines must be 1 to {_MOST_LINES}, got {lines!r}", code="bad_request")
    return PlainTextResponse(await in_thread(_tail, request.app.state.log, int(lines)))


async def gpu(_: Request) -> Response:
    """Send what `nvidia-smi` says."""
    return PlainTextResponse(await in_thread(_nvidia_smi))


async def no_archive(_: Request) -> Response:
    """Answer for the DICOMweb proxy."""
    raise NotFound("no DICOMweb archive is connected to this label server")


async def no_weights(_: Request) -> Response:
    """Answer a client that would overwrite or delete the weights of a model in place."""
    raise NotAllowed("weights are registered and rolled back by `medheart models`, never overwritten in place")


def _tail(path: Path, count: int) -> str:
    if not path.is_file():
        raise NotFound("there is no log yet")
    with path.open(encoding="utf-8", errors="replace") as stream:
        return "".join(deque(stream, count))


def _nvidia_smi() -> str:
    command = shutil.which("nvidia-smi")
    if command is None:
        raise NotFound("this machine has no NVIDIA driver")
    return subprocess.run([command], capture_output=True, text=True, timeout=30, check=False).stdout
