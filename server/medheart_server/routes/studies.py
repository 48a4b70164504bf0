"""Studies: listing, and uploading files that a job imports."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from medheart.errors import MedHeartError
from medheart.records import Job, Study
from medheart.wire.service import IMPORT
from medheart_server.context import Annotator, Context, IdempotencyKey, InContext
from medheart_server.routes.jobs import accepted
from medheart_server.uploads import spool_files

__all__ = ["router"]

router = APIRouter(tags=["studies"])


@router.get("/studies")
def list_studies(
    context: InContext,
    q: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> dict[str, Any]:
    """List studies, newest first, with the number of label versions of each; a study itself tells the versions.

    `q` keeps those with this text in id, pseudonym, date or description. `total` counts all that fit.
    """
    found = context.store.studies(q, limit=limit, offset=offset)
    counts = context.store.version_counts([study.id for study in found])
    studies = [{**asdict(study), "versions": counts.get(study.id, 0)} for study in found]
    return {"studies": studies, "total": context.store.study_count(q)}


@router.get("/studies/{study_id}")
def show_study(study_id: str, context: InContext) -> dict[str, Any]:
    """Return a study with its series and the versions of each."""
    return _summary(context, context.store.study(study_id))


@router.post("/studies", status_code=202)
async def import_study(
    request: Request,
    context: InContext,
    _who: Annotator,
    choice: Annotated[list[str] | None, Query()] = None,
    one_study: bool = True,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Upload files (form field `files`, repeatable) or one zip; a job imports them.

    `choice` answers what an earlier import asked; `one_study` makes files that name no study images of
    one. The same `Idempotency-Key` with the same files is the same job; with others, 422.
    """
    spooled = await spool_files(request, context.uploads, key=key)

    def enqueue() -> Job:
        args = {
            "upload": spooled.folder.name,
            "sha256": spooled.sha256,
            "choices": choice or [],
            "one_study": one_study,
        }
        try:
            job = context.start(IMPORT, args, key)
        except MedHeartError:
            spooled.drop()
            raise
        if job.finished:
            spooled.drop()
        return job

    return accepted(await run_in_threadpool(enqueue))


def _summary(context: Context, study: Study) -> dict[str, Any]:
    series = [
        {**asdict(one), "versions": [version.to_dict() for version in context.store.versions(one.id)]}
        for one in study.series
    ]
    return {**asdict(study), "series": series}
