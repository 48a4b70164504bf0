"""Jobs: how far they are, what they gave, and cancelling them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from medheart.records import Job
from medheart.wire.service import PREFIX
from medheart_server.context import Annotator, InContext

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
    """Cancel a job; one that has ended stays as it is."""
    return asdict(context.jobs.cancel(job_id))
