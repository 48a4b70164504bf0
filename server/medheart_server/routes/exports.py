"""Exports: everything of a study, a series or a version as files."""

from __future__ import annotations

import secrets

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from medheart.wire.service import EXPORT
from medheart_server.context import Annotator, IdempotencyKey, InContext
from medheart_server.routes.jobs import accepted

__all__ = ["router"]

router = APIRouter(tags=["exports"])


@router.post("/exports/{name}", status_code=202)
def export(name: str, context: InContext, _who: Annotator, key: IdempotencyKey = None) -> JSONResponse:
    """Write labels, measurements and reports of a study, series or version, as a job that leaves files."""
    return accepted(context.start(EXPORT, {"name": name, "folder": key or secrets.token_hex(16)}, key))
