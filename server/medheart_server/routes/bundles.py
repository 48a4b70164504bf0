"""Bundles: files that a client names, worked on as they would be on the client's own machine.

The body of each POST is a bundle (`medheart.wire.bundle`); each becomes a job.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from medheart.errors import MedHeartError
from medheart.records import Job
from medheart.wire import service as wire
from medheart_jobs.tables import QueueName
from medheart_models.tasks import load_task
from medheart_server.context import Admin, Annotator, Context, IdempotencyKey, InContext
from medheart_server.routes.jobs import accepted
from medheart_server.uploads import spool_bundle

__all__ = ["router"]

router = APIRouter(tags=["bundles"])

Choices = Annotated[list[str] | None, Query(alias="choice")]
Roles = Annotated[list[str] | None, Query(alias="role", max_length=16)]
Language = Annotated[Literal["en", "zh"], Query(alias="lang")]
Ending = Annotated[Literal["nii.gz", "nii", "seg.nrrd", "nrrd", "mha", "dcm"] | None, Query(alias="format")]


@router.get("/bundles")
def limits(_who: Annotator) -> dict[str, Any]:
    """Return what a bundle may be; who may not send any learns it before sending."""
    return {"max_bytes": wire.MAX_BODY_BYTES}


@router.post("/bundles/import", status_code=202)
async def import_files(
    *,
    request: Request,
    context: InContext,
    _who: Annotator,
    choice: Choices = None,
    one_study: bool = False,
    dry_run: bool = False,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Take files into the store; `dry_run` only says what would happen."""
    args = {"choices": choice or [], "one_study": one_study, "dry_run": dry_run}
    return await _start(request, context, wire.BUNDLE_IMPORT, args, key)


@router.post("/bundles/measure", status_code=202)
async def measure(
    request: Request, context: InContext, _who: Annotator, task: str | None = None, key: IdempotencyKey = None
) -> JSONResponse:
    """Measure a label file, with its image if that comes second."""
    return await _start(request, context, wire.BUNDLE_MEASURE, {"task": _known(task)}, key)


@router.post("/bundles/report", status_code=202)
async def report(
    request: Request,
    context: InContext,
    _who: Annotator,
    task: str | None = None,
    language: Language = "en",
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Write the report of a label file and its image."""
    args = {"task": _known(task), "language": language}
    return await _start(request, context, wire.BUNDLE_REPORT, args, key)


@router.post("/bundles/segment", status_code=202)
async def segment(
    *,
    request: Request,
    context: InContext,
    _who: Annotator,
    task: str | None = None,
    roles: Roles = None,
    ending: Ending = None,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Segment images into a label file; without `format` every image is a case with a file of its own."""
    args = {"task": _known(task), "roles": roles or [], "ending": ending}
    return await _start(request, context, wire.BUNDLE_SEGMENT, args, key)


@router.post("/bundles/evaluate", status_code=202)
async def evaluate(
    request: Request, context: InContext, _who: Annotator, task: str, key: IdempotencyKey = None
) -> JSONResponse:
    """Score a task on labelled cases: a folder for each of its inputs, then the folder of labels."""
    return await _start(request, context, wire.BUNDLE_EVALUATE, {"task": _known(task)}, key)


@router.post("/bundles/train", status_code=202)
async def train(
    request: Request,
    context: InContext,
    _who: Admin,
    task: str,
    epochs: Annotated[int | None, Query(ge=1)] = None,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Train a task's network on a folder; weights and scores stay in the service's home."""
    args = {"task": _known(task), "epochs": epochs}
    return await _start(request, context, wire.BUNDLE_TRAIN, args, key, queue="long")


def _known(task: str | None) -> str | None:
    if task is not None:
        load_task(task)
    return task


async def _start(
    request: Request, context: Context, name: str, args: dict[str, Any], key: str | None, *, queue: QueueName = "jobs"
) -> JSONResponse:
    """Keep the bundle and enqueue its job; a bundle whose job is over already is not kept."""
    spooled = await spool_bundle(request, context.uploads, key=key)

    def enqueue() -> Job:
        whole = {"upload": spooled.folder.name, "sha256": spooled.sha256, **args}
        try:
            job = context.start(name, whole, key, queue=queue)
        except MedHeartError:
            spooled.drop()
            raise
        if job.finished:
            spooled.drop()
        return job

    return accepted(await run_in_threadpool(enqueue))
