"""Is it alive, can it work."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse

from medheart import __version__
from medheart.wire.service import installation
from medheart_server.context import Context, InContext, Signed

__all__ = ["router"]

router = APIRouter(tags=["health"])

_FREE_BYTES = 1 << 30


@router.get("/livez")
async def live() -> dict[str, str]:
    """Answer while the process lives."""
    return {"status": "alive", "name": "medheart", "version": __version__}


@router.get("/readyz")
def ready(context: InContext) -> JSONResponse:
    """Answer 200 while requests can be served, else 503; each check by name."""
    free = _free(context)
    checks = {"store": _store(context), "jobs": _jobs(context), "disk": free > _FREE_BYTES}
    body: dict[str, Any] = {
        "status": "ready" if all(checks.values()) else "not_ready",
        "checks": checks,
        "free_bytes": free,
        "installation": installation(context.settings.home),
    }
    return JSONResponse(body, status_code=200 if body["status"] == "ready" else 503)


@router.get("/metrics")
def metrics(context: InContext, _who: Signed) -> PlainTextResponse:
    """Return counters for Prometheus."""
    states = Counter(job.state for job in context.jobs.list(limit=1000))
    lines = [*context.tally.lines(), "# TYPE medheart_jobs gauge"]
    lines += [f'medheart_jobs{{state="{state}"}} {number}' for state, number in sorted(states.items())]
    lines += ["# TYPE medheart_free_bytes gauge", f"medheart_free_bytes {_free(context)}"]
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


def _free(context: Context) -> int:
    return shutil.disk_usage(context.settings.home).free


def _store(context: Context) -> bool:
    context.store.studies("\x00")
    return True


def _jobs(context: Context) -> bool:
    context.jobs.list(limit=1)
    return True
