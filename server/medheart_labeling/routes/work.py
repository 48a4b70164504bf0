"""Next sample, training, batch inference, scoring."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from medheart.errors import MedHeartError
from medheart.wire.paths import without_paths
from medheart_labeling.backend import Backend
from medheart_labeling.catalogue import ORIGINAL
from medheart_labeling.info import tasks
from medheart_labeling.routes.common import annotator, backend_of, flag, in_thread, in_worker, json_body
from medheart_labeling.scoring import METHODS
from medheart_labeling.tasks import Kind, finished

__all__ = [
    "batch_state",
    "next_sample",
    "score",
    "score_all",
    "scoring_state",
    "start_batch",
    "stop_batch",
    "stop_scoring",
    "stop_training",
    "train",
    "train_all",
    "train_state",
]

_POLL_S = 0.5


async def next_sample(request: Request) -> Response:
    """Lease the next case to who asks."""
    backend, params = await backend_of(request), await json_body(request)
    who = annotator(request, params.get("client_id"))
    return JSONResponse(await in_thread(backend.worklist.next, request.path_params["strategy"], who, params))


async def train(request: Request) -> Response:
    """Ask for the training of one model."""
    backend, params = await backend_of(request), await json_body(request)
    model, who = request.path_params["model"], annotator(request, params.get("client_id"))
    task = await in_thread(backend.start_training, model, who, params, enqueue=flag(request, "enqueue"))
    return await _answer(request, backend, task)


async def train_all(request: Request) -> Response:
    """Ask for the training of every model (old form of stock MONAI Label)."""
    backend, params = await backend_of(request), await json_body(request)
    who, answers = annotator(request, params.get("client_id")), dict[str, Any]()
    for task in tasks():
        own = params.get(task.id) or {}
        try:
            result = await in_thread(backend.start_training, task.id, who, own, enqueue=True)
        except MedHeartError as error:
            answers[task.id] = {"result": None, "detail": without_paths(error.message)}
        else:
            answers[task.id] = {"result": result, "detail": None}
    return JSONResponse(answers)


async def train_state(request: Request) -> Response:
    """Tell the training tasks."""
    return await _state(request, "train")


async def stop_training(request: Request) -> Response:
    """Stop all training."""
    return JSONResponse(await in_thread((await backend_of(request)).tasks.stop, "train"))


async def start_batch(request: Request) -> Response:
    """Ask for the segmentation of many images; the task's result says of each what became of it."""
    backend, params = await backend_of(request), await json_body(request)
    model, who = request.path_params["model"], annotator(request, params.get("client_id"))
    images = await in_thread(backend.select, request.query_params.get("images") or "all")
    task = await in_thread(backend.start_batch, model, images[: _batch_limit(params) or None], who, params)
    return await _answer(request, backend, task)


async def batch_state(request: Request) -> Response:
    """Tell the batch tasks."""
    return await _state(request, "batch_infer")


async def stop_batch(request: Request) -> Response:
    """Stop all batch inference."""
    return JSONResponse(await in_thread((await backend_of(request)).tasks.stop, "batch_infer"))


async def score(request: Request) -> Response:
    """Score the labels of two tags against each other."""
    backend, params = await backend_of(request), await json_body(request)
    call = backend.scoring.run if flag(request, "run_sync") else backend.scoring.start
    return JSONResponse(await in_worker(call, request.path_params["method"], params))


async def score_all(request: Request) -> Response:
    """Score by every method (old form of stock MONAI Label)."""
    backend, params = await backend_of(request), await json_body(request)
    sync, answers = flag(request, "run_sync"), {}
    for method in METHODS:
        call = backend.scoring.run if sync else backend.scoring.start
        answers[method] = {"result": await in_worker(call, method, params.get(method) or {}), "detail": None}
    return JSONResponse(answers)


async def scoring_state(request: Request) -> Response:
    """Tell the scoring tasks."""
    backend = await backend_of(request)
    if flag(request, "all"):
        return JSONResponse(backend.scoring.all())
    return JSONResponse(backend.scoring.latest(only_running=flag(request, "check_if_running")))


async def stop_scoring(request: Request) -> Response:
    """Stop scoring."""
    return JSONResponse((await backend_of(request)).scoring.stop())


def _batch_limit(params: dict[str, Any]) -> int:
    limit, tag = params.get("max_batch_size") or 0, params.get("label_tag") or ORIGINAL
    if not isinstance(limit, int) or limit < 0:
        raise MedHeartError(f"max_batch_size must be a whole number, got {limit!r}", code="bad_request")
    if tag != ORIGINAL:
        raise MedHeartError(f"batch inference keeps its labels as {ORIGINAL!r}, got {tag!r}", code="bad_request")
    return limit


async def _answer(request: Request, backend: Backend, task: dict[str, Any]) -> Response:
    """Answer with the task, or with its result where the client asked to wait for it and still waits."""
    if not flag(request, "run_sync"):
        return JSONResponse(task)
    while task["status"] in {"SUBMITTED", "RUNNING"}:
        if await request.is_disconnected():
            return JSONResponse(task)
        await asyncio.sleep(_POLL_S)
        task = await in_thread(backend.tasks.get, task["id"])
    return JSONResponse(finished(task))


async def _state(request: Request, kind: Kind) -> Response:
    backend = await backend_of(request)
    if flag(request, "all"):
        return JSONResponse(await in_thread(backend.tasks.all, kind))
    only_running = flag(request, "check_if_running")
    return JSONResponse(await in_thread(backend.tasks.latest, kind, only_running=only_running))
