"""`/infer/{model}`: run a model on an image, and answer as stock MONAI Label does."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from requests_toolbelt.multipart.encoder import MultipartEncoder  # type: ignore[import-untyped]
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from medheart.errors import MedHeartError
from medheart.volume import Volume
from medheart_access import Identity
from medheart_labeling.backend import Backend
from medheart_labeling.cases import read_upload
from medheart_labeling.catalogue import draft_tag
from medheart_labeling.ids import check_id
from medheart_labeling.inference import Segmented, find_task, result_params, version_meta
from medheart_labeling.requests_table import Entry
from medheart_labeling.results import result_dtype, result_ending, write_result
from medheart_labeling.routes.common import (
    annotator,
    backend_of,
    identity,
    in_thread,
    in_worker,
    json_object,
    read_form,
    saved,
)
from medheart_labeling.segments import write_segments
from medheart_models.tasks.research import notice_for_origins

__all__ = ["infer"]

_OUTPUTS = ("all", "image", "json", "dicom_seg")
_WAITING = 40
T = TypeVar("T")


@dataclass(frozen=True)
class _Order:
    """What was asked for, checked."""

    model: str
    image: str
    output: str
    ending: str
    dtype: str | None
    save: bool
    tag: str
    request: str | None
    who: Identity
    annotator: str
    inputs: Any


async def infer(request: Request) -> Response:
    """Run an inference."""
    backend = await backend_of(request)
    find_task(request.path_params["model"])
    async with read_form(request) as form:
        order = _order(request, json_object(form.get("params"), "params"))
        with backend.requests.running(order.request, order.who) as entry:
            image = await _image(request, form, backend, order)
            await request.app.state.startup.model_host()
            return await _until_gone(request, entry, lambda: _work(backend, order, image, entry))


def _order(request: Request, params: dict[str, Any]) -> _Order:
    output = request.query_params.get("output") or "all"
    if output not in _OUTPUTS:
        raise MedHeartError(f"output must be one of {list(_OUTPUTS)}, got {output!r}", code="bad_request")
    who, save = identity(request), _is_true(params.get("save_label", False))
    if save:
        who.require("annotator")
    wanted = params.get("request_id") or request.query_params.get("request_id") or request.headers.get("x-request-id")
    return _Order(
        model=request.path_params["model"],
        image=request.query_params.get("image", ""),
        output=output,
        ending=result_ending(params.get("result_extension")),
        dtype=result_dtype(params.get("result_dtype")),
        save=save,
        tag=draft_tag(params.get("label_tag")),
        request=check_id("request_id", wanted) if wanted else None,
        who=who,
        annotator=annotator(request, params.get("client_id")),
        inputs=params.get("inputs"),
    )


async def _image(request: Request, form: FormData, backend: Backend, order: _Order) -> str | Volume:
    """Return the image id, or the image of an uploaded file or a session.

    With these two the stock plug-in sends the name of its volume as `image`, whatever that is.
    """
    if isinstance(form.get("label"), UploadFile):
        raise MedHeartError(f"model {order.model!r} takes no scribbles or label file", code="bad_request")
    file, session = form.get("file"), request.query_params.get("session_id")
    if session:
        return await in_worker(backend.sessions.volume, session)
    if isinstance(file, UploadFile):
        async with saved(file) as paths:
            return await in_worker(_read, paths[0])
    if not order.image:
        raise MedHeartError("name an `image` or a `session_id`, or send a `file`", code="bad_request")
    await in_thread(backend.cases.series, order.image)
    return order.image


async def _until_gone(request: Request, entry: Entry, work: Callable[[], T]) -> T:
    """Run `work` in a thread; if the client closes the connection, the inference is cancelled."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        entry.cancel.set()

    watcher = asyncio.create_task(watch())
    try:
        return await anyio.to_thread.run_sync(work, limiter=_limiter())
    finally:
        watcher.cancel()


@cache
def _limiter() -> anyio.CapacityLimiter:
    # Inferences wait for the model host in threads of their own, so that they never keep others waiting.
    return anyio.CapacityLimiter(_WAITING)


def _work(backend: Backend, order: _Order, image: str | Volume, entry: Entry) -> Response:
    result = backend.inference.run(order.model, image, entry=entry, inputs=order.inputs)
    entry.state = "writing"
    stored = image if isinstance(image, str) else None
    if stored is not None:
        result = _kept(backend, order, stored, result)
    with tempfile.TemporaryDirectory(prefix="medheart-") as folder:
        return _reply(order, stored, result, Path(folder), backend)


def _kept(backend: Backend, order: _Order, image: str, result: Segmented) -> Segmented:
    """Save the result as a version if asked; else remember which version the annotator saw meanwhile."""
    backend.worklist.touch(image, order.annotator)
    if not order.save:
        backend.labels.shown_prediction(order.annotator, image, result.prediction.origin)
        return result
    version = backend.submissions.add_prediction(
        result.labels,
        image,
        origin=result.prediction.origin,
        annotator=order.annotator,
        tag=order.tag,
        meta=version_meta(result),
    )
    return replace(result, version=version)


def _reply(order: _Order, image: str | None, result: Segmented, folder: Path, backend: Backend) -> Response:
    started = time.perf_counter()
    if order.output == "json":
        return JSONResponse(result_params(result, written_s=0.0))
    if order.output == "dicom_seg":
        return _file(_write_seg(order, image, result, folder, backend), "application/dicom")
    target, origin = folder / f"{uuid.uuid4().hex}{order.ending}", result.prediction.origin
    path = write_result(target, result.labels, dtype=order.dtype, origin=origin)
    params = result_params(result, written_s=time.perf_counter() - started)
    if order.output == "image":
        return _file(path, "application/octet-stream")
    return _multipart(params, path)


def _multipart(params: dict[str, Any], path: Path) -> Response:
    body = MultipartEncoder(
        fields={
            "params": (None, json.dumps(params), "application/json"),
            "image": (path.name, path.read_bytes(), "application/octet-stream"),
        }
    )
    return Response(body.to_string(), media_type=body.content_type)


def _file(path: Path, media_type: str) -> Response:
    # Read here: the folder is gone when the reply is sent.
    headers = {"Content-Disposition": f'attachment; filename="{path.name}"'}
    return Response(path.read_bytes(), media_type=media_type, headers=headers)


def _write_seg(order: _Order, image: str | None, result: Segmented, folder: Path, backend: Backend) -> Path:
    return write_segments(
        folder / f"{uuid.uuid4().hex}.dcm",
        result.labels,
        origin=result.prediction.origin,
        author=order.annotator,
        store=backend.store,
        image=image,
        description=notice_for_origins([result.prediction.origin]).get("en", "Segmentation"),
        modality=find_task(order.model).modality,
    )


def _read(path: Path) -> Volume:
    with tempfile.TemporaryDirectory(prefix="medheart-") as folder:
        return read_upload(path, Path(folder))[0]


def _is_true(value: Any) -> bool:
    """Read a flag of stock clients, which send booleans and words."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise MedHeartError(f"save_label must be true or false, got {value!r}", code="bad_request")
