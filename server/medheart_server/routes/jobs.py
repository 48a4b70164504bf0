"""Jobs: how far they are, what they gave, the files they left, and cancelling them."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse, JSONResponse

from medheart.errors import NotFound
from medheart.records import Job
from medheart.wire.service import PREFIX
from medheart_server.context import Annotator, Context, InContext
from medheart_server.routes.documents import SANDBOX
from medheart_server.uploads import forget_upload

__all__ = ["accepted", "router"]

router = APIRouter(tags=["jobs"])


def accepted(job: Job) -> JSONResponse:
    """Return the answer to a request that became a job: 202, the job, and where to ask for it."""
    return JSONResponse(asdict(job), status_code=202, headers={"Location": f"{PREFIX}/jobs/{job.id}"})


@router.get("/jobs")
def list_jobs(context: InContext, limit: int = 50) -> dict[str, Any]:
    """List the latest jobs, newest first."""
    return {"jobs": [asdict(job) for job in context.jobs.list(limit=max(1, min(limit, 500)))]}


@router.get("/jobs/{job_id}")
def show_job(job_id: str, context: InContext) -> dict[str, Any]:
    """Return a job."""
    return asdict(context.jobs.status(job_id))


@router.delete("/jobs/{job_id}")
def cancel_job(job_id: str, context: InContext, _who: Annotator) -> dict[str, Any]:
    """Cancel a job; one that has ended stays as it is, one that never began needs its upload no longer."""
    waiting = context.jobs.status(job_id).state == "queued"
    upload = context.jobs.arguments(job_id).get("upload")
    job = context.jobs.cancel(job_id)
    if waiting and upload is not None:
        forget_upload(context.uploads, upload)
    return asdict(job)


@router.get("/jobs/{job_id}/files/{name:path}")
def show_file(job_id: str, name: str, context: InContext) -> FileResponse:
    """Return a file that a job left; its result lists them in `files`."""
    folder, names = _left(context, job_id)
    if name not in names or not (folder / name).is_file():
        raise NotFound(f"job {job_id!r} has no file {name!r}; it left {names}", code="no_file")
    return FileResponse(folder / name, filename=Path(name).name, headers={"Content-Security-Policy": SANDBOX})


@router.delete("/jobs/{job_id}/files")
def forget_files(job_id: str, context: InContext, _who: Annotator) -> dict[str, Any]:
    """Remove the files that a job left."""
    folder, names = _left(context, job_id)
    shutil.rmtree(folder, ignore_errors=True)
    return {"removed": names}


def _left(context: Context, job_id: str) -> tuple[Path, list[str]]:
    """Return the folder of a job's files, and their names in it."""
    result = context.jobs.status(job_id).result
    if not isinstance(result, dict) or not isinstance(result.get("folder"), str):
        raise NotFound(f"job {job_id!r} has left no files", code="no_file")
    return context.results / Path(result["folder"]).name, list(result["files"])
