"""Label versions: reading, comparing, restoring, events, files, measurements, reports."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask

from medheart.errors import NotFound
from medheart.schema import load_schema, schema_ids
from medheart.wire.service import DICOM_SEG, LABEL_FORMATS, MEASURE, MEDIA_TYPES, REPORT
from medheart_models.tasks.research import label_title
from medheart_server.context import Annotator, Context, IdempotencyKey, InContext
from medheart_server.routes.documents import deliver
from medheart_server.routes.jobs import accepted
from medheart_store.history import describe_version, versions_of

__all__ = ["router"]

router = APIRouter(tags=["versions"])

_REVIEWED = ("approved", "returned")

Language = Annotated[Literal["en", "zh"], Query(alias="lang")]


class Restoring(BaseModel):
    """Body of a restore."""

    note: str = Field(default="", max_length=2000)


class Event(BaseModel):
    """Body of an event."""

    kind: Literal["state", "note"]
    value: str = Field(min_length=1, max_length=4000)


@router.get("/versions")
def list_versions(
    context: InContext, name: Annotated[str | None, Query(min_length=1, max_length=64)] = None
) -> dict[str, Any]:
    """List the versions of a series or a study, named by its id, or of everything."""
    return {"versions": [version.to_dict() for version in versions_of(context.store, name)]}


@router.get("/versions/{version_id}")
def show_version(version_id: str, context: InContext) -> dict[str, Any]:
    """Return a version with its events and documents, and the names of its labels by language."""
    version = context.store.version(version_id)
    shipped = load_schema(version.schema_id).labels if version.schema_id in schema_ids() else ()
    names = {label.name: label.names for label in shipped}
    return {**describe_version(context.store, version_id), "names": names}


@router.get("/versions/{version_id}/diff/{other_id}")
def diff(version_id: str, other_id: str, context: InContext) -> dict[str, Any]:
    """Return what differs from one version to another of the same image."""
    return context.store.diff(version_id, other_id).to_dict()


@router.post("/versions/{version_id}/restore", status_code=201)
def restore(version_id: str, body: Restoring, context: InContext, who: Annotator) -> dict[str, Any]:
    """Make a new head with the content of this version."""
    return context.store.restore(version_id, author=who.name, note=body.note).to_dict()


@router.get("/versions/{version_id}/events")
def list_events(version_id: str, context: InContext) -> dict[str, Any]:
    """List what was said of a version, oldest first."""
    return {"events": [asdict(event) for event in context.store.events(version_id)]}


@router.post("/versions/{version_id}/events", status_code=201)
def add_event(version_id: str, body: Event, context: InContext, who: Annotator) -> dict[str, Any]:
    """Append a state or a note; `approved` and `returned` are a reviewer's to give, `approved` also to take."""
    approved = context.store.version(version_id).state == "approved"
    if body.kind == "state" and (approved or body.value in _REVIEWED):
        who.require("reviewer")
    return asdict(context.store.add_event(version_id, body.kind, body.value, who.name))


@router.get("/versions/{version_id}/labels", response_model=None)
def labels(
    version_id: str,
    context: InContext,
    ending: Annotated[Literal["nii.gz", "nii", "seg.nrrd", "nrrd", "mha", "dcm"], Query(alias="format")] = "nii.gz",
) -> Response:
    """Return the label as a file; a DICOM SEG (`dcm`) is 404 `not_made` until a job has made it."""
    from medheart_io import write_labels

    if ending == "dcm":
        return _latest(context, version_id, DICOM_SEG, "application/dicom", None)
    labels = context.store.labels(version_id)
    folder = tempfile.TemporaryDirectory(prefix="medheart-")
    path = Path(folder.name) / f"label.{ending}"
    write_labels(path, labels, title=label_title(context.store.lineage(version_id)))
    return FileResponse(
        path,
        media_type=LABEL_FORMATS[ending],
        filename=f"{version_id}.{ending}",
        background=BackgroundTask(folder.cleanup),
    )


@router.post("/versions/{version_id}/labels", status_code=202)
def make_dicom_seg(version_id: str, context: InContext, _who: Annotator, key: IdempotencyKey = None) -> JSONResponse:
    """Make the DICOM SEG, as a job."""
    context.store.version(version_id)
    return accepted(context.start(DICOM_SEG, {"version": version_id}, key))


@router.get("/versions/{version_id}/measurements")
def measurements(version_id: str, context: InContext) -> Response:
    """Return the measurements; 404 `not_made` until a job has made them."""
    return _latest(context, version_id, "measurements", "application/json", None)


@router.post("/versions/{version_id}/measurements", status_code=202)
def measure(version_id: str, context: InContext, _who: Annotator, key: IdempotencyKey = None) -> JSONResponse:
    """Measure, as a job."""
    context.store.version(version_id)
    return accepted(context.start(MEASURE, {"version": version_id}, key))


@router.get("/versions/{version_id}/report")
def report(
    version_id: str,
    context: InContext,
    language: Language = "en",
    ending: Annotated[Literal["html", "pdf"], Query(alias="format")] = "html",
) -> Response:
    """Return the report; 404 `not_made` until a job has made it."""
    return _latest(context, version_id, "report", MEDIA_TYPES[ending], language)


@router.post("/versions/{version_id}/report", status_code=202)
def make_report(
    version_id: str, context: InContext, _who: Annotator, language: Language = "en", key: IdempotencyKey = None
) -> JSONResponse:
    """Write the report, as a job."""
    context.store.version(version_id)
    return accepted(context.start(REPORT, {"version": version_id, "language": language}, key))


def _latest(context: Context, version_id: str, kind: str, media_type: str, language: str | None) -> Response:
    context.store.version(version_id)
    found = [
        document
        for document in context.store.documents(version_id, kind=kind)
        if document.media_type == media_type and language in (None, document.meta.get("language"))
    ]
    if not found:
        raise NotFound(
            f"version {version_id!r} has no {kind} of this kind yet; POST to this address makes it", code="not_made"
        )
    return deliver(context, found[-1])
