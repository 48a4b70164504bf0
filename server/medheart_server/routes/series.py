"""Series: their versions, and asking for a segmentation."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from medheart.wire.service import SEGMENT
from medheart_models.tasks import load_task
from medheart_server.context import Annotator, IdempotencyKey, InContext
from medheart_server.routes.jobs import accepted

__all__ = ["router"]

router = APIRouter(tags=["series"])


@router.get("/series/{series_id}")
def show_series(series_id: str, context: InContext) -> dict[str, Any]:
    """Return a series."""
    return asdict(context.store.series(series_id))


@router.get("/series/{series_id}/versions")
def list_versions(series_id: str, context: InContext) -> dict[str, Any]:
    """List the label versions of a series, branches and drafts too, and which one is the head."""
    head = context.store.head(series_id)
    versions = [version.to_dict() for version in context.store.versions(series_id)]
    return {"versions": versions, "head": head.id if head else None}


@router.get("/series/{series_id}/picture")
def picture(series_id: str, context: InContext, plane: Literal["axial", "coronal", "sagittal"] = "axial") -> Response:
    """Return the plane through the middle of an image as PNG."""
    return Response(context.previews.picture(series_id, plane), media_type="image/png")


@router.post("/studies/{study_id}/segment", status_code=202)
def segment_study(
    study_id: str,
    context: InContext,
    who: Annotator,
    task: Annotated[str | None, Query(max_length=64)] = None,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Segment a study, measure the result and write its report, as a job; without `task` the images decide."""
    context.store.study(study_id)
    if task is not None:
        load_task(task)
    return accepted(context.start(SEGMENT, {"studies": [study_id], "task": task, "author": who.name}, key))
