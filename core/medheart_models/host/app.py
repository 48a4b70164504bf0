"""The host's web door: `medheart.wire.host` in Starlette, translating and nothing else.

Concurrency: one event loop runs every handler. What takes time (reading a frame, hashing an image)
goes to a worker thread; inference belongs to the scheduler's thread (see `scheduler`, which states the
locks). The scheduler's changes reach waiting handlers through `_Bell`, which lives on the loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from medheart import Volume
from medheart.errors import MedHeartError, NotFound, TaskError
from medheart.task import Task
from medheart.wire import host as wire
from medheart.wire.frame import pack_frame, unpack_frame
from medheart_models.host.images import ImageStore
from medheart_models.host.scheduler import Scheduler
from medheart_models.predict import Prediction

__all__ = ["Parts", "make_app"]

_LONGEST_WAIT_S = 5.0
_REQUEST_LIMIT = 1 << 20
_HEADER_ROOM = 1 << 16


@dataclass(frozen=True)
class Parts:
    """What the app serves: `images`, `scheduler`, `load_task`, and `info` for `/info`."""

    images: ImageStore
    scheduler: Scheduler
    load_task: Callable[[str], Task]
    info: Callable[[], dict[str, Any]]


class _Bell:
    """Wakes the handlers that wait, from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake who waits; from any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return at the next ring, or after so many seconds."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return


def make_app(parts: Parts) -> Starlette:
    """Return the ASGI application; its lifespan starts and closes the scheduler."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        """Run the scheduler while the application runs."""
        app.state.parts, app.state.bell = parts, _Bell()
        parts.scheduler.on_change = app.state.bell.ring
        parts.scheduler.start()
        yield
        await run_sync(parts.scheduler.close)

    routes = [
        Route(wire.PATH_IMAGE, _head_image, methods=["HEAD"]),
        Route(wire.PATH_IMAGE, _put_image, methods=["PUT"]),
        Route(wire.PATH_SEGMENT, _post_segment, methods=["POST"]),
        Route(wire.PATH_STATE, _get_state, methods=["GET"]),
        Route(wire.PATH_STATE, _delete, methods=["DELETE"]),
        Route(wire.PATH_RESULT, _get_result, methods=["GET"]),
        Route(wire.PATH_LIVE, _live, methods=["GET"]),
        Route(wire.PATH_READY, _ready, methods=["GET"]),
        Route(wire.PATH_INFO, _info, methods=["GET"]),
    ]
    handlers: dict[Any, Any] = {MedHeartError: _on_error, HTTPException: _on_http_error}
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


async def _on_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, MedHeartError)
    status = 413 if error.code == "too_large" else wire.status_of(error)
    headers = {"Retry-After": str(error.details.get("retry_after_s", 5))} if status == 429 else None
    return JSONResponse(wire.error_to_dict(error), status, headers)


async def _on_http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"code": "http", "message": str(error.detail), "kind": "MedHeartError"}, error.status_code)


async def _head_image(request: Request) -> Response:
    return Response(status_code=200 if request.path_params["digest"] in _parts(request).images else 404)


async def _put_image(request: Request) -> Response:
    images, digest = _parts(request).images, request.path_params["digest"]
    if digest in images:
        return JSONResponse({"digest": digest}, 200)
    size = _content_length(request)
    with images.reserve(size):
        body = await _read_body(request, size)
        await run_sync(_keep_image, images, digest, body)
    return JSONResponse({"digest": digest}, 201)


def _keep_image(images: ImageStore, digest: str, body: bytearray) -> None:
    array, geometry, _ = unpack_frame(body)
    images.put(digest, Volume(array, geometry))


def _content_length(request: Request) -> int:
    try:
        return int(request.headers["Content-Length"])
    except (KeyError, ValueError) as error:
        raise MedHeartError("a request body needs a Content-Length", code="bad_request") from error


async def _read_body(request: Request, size: int) -> bytearray:
    """Return the body, read into memory of exactly the size that was announced."""
    body, filled = bytearray(size), 0
    async for part in request.stream():
        if filled + len(part) > size:
            break
        body[filled : filled + len(part)] = part
        filled += len(part)
    if filled != size:
        raise MedHeartError(f"the body should have {size} bytes and has another size", code="bad_request")
    return body


async def _post_segment(request: Request) -> Response:
    parts, size = _parts(request), _content_length(request)
    if size > _REQUEST_LIMIT:
        raise MedHeartError(f"a request of {size} bytes exceeds the limit of {_REQUEST_LIMIT}", code="too_large")
    try:
        await request.body()
        data = await request.json()
    except ValueError as error:
        raise MedHeartError(f"the request is not JSON: {error}", code="bad_request") from error
    wanted = wire.SegmentRequest.from_dict(data)
    try:
        task = parts.load_task(wanted.task)
    except TaskError as error:
        raise NotFound(error.message, code="unknown_task") from error
    if len(wanted.inputs) != len(task.inputs):
        roles = ", ".join(item.role for item in task.inputs)
        raise TaskError(f"task {task.id!r} needs {len(task.inputs)} images ({roles}), got {len(wanted.inputs)}")
    state = parts.scheduler.submit(wanted, task)
    return JSONResponse(state.to_dict(), 202)


async def _get_state(request: Request) -> Response:
    scheduler, bell = _parts(request).scheduler, request.app.state.bell
    after, wait = _number(request, "after", -1), min(_number(request, "wait", 0), _LONGEST_WAIT_S)
    until = time.monotonic() + wait
    while True:
        state = scheduler.state(request.path_params["id"])
        left = until - time.monotonic()
        if state.ended or state.revision > after or left <= 0:
            return JSONResponse(state.to_dict())
        await bell.wait(left)


def _number(request: Request, name: str, default: float) -> float:
    try:
        return float(request.query_params.get(name, default))
    except ValueError as error:
        raise MedHeartError(f"{name} must be a number", code="bad_request") from error


async def _get_result(request: Request) -> Response:
    result = _parts(request).scheduler.result(request.path_params["id"])
    labels = result.labels
    parts = pack_frame(labels.array, labels.geometry, _result_header(result))
    return StreamingResponse(_stream(parts), media_type="application/octet-stream")


async def _stream(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def _result_header(result: Prediction) -> dict[str, Any]:
    return {
        "schema": result.labels.schema.to_dict(),
        "task": result.task,
        "origin": result.origin,
        "status": result.status,
        "device": result.device,
        "seconds": {stage: round(seconds, 4) for stage, seconds in result.seconds.items()},
        "counts": {str(value): count for value, count in result.labels.counts.items()},
        "warnings": [reason.to_dict() for reason in result.warnings],
    }


async def _delete(request: Request) -> Response:
    _parts(request).scheduler.cancel(request.path_params["id"])
    return Response(status_code=204)


async def _live(_request: Request) -> Response:
    return JSONResponse({"status": "live"})


async def _ready(request: Request) -> Response:
    scheduler = _parts(request).scheduler
    status = "broken" if scheduler.broken else "stopping" if scheduler.draining else "ready"
    return JSONResponse({"status": status}, 200 if status == "ready" else 503)


async def _info(request: Request) -> Response:
    parts = _parts(request)
    memory = {"images_bytes": parts.images.used, "images_limit": parts.images.limit}
    return JSONResponse({**parts.scheduler.info(), "memory": memory, **parts.info()})
