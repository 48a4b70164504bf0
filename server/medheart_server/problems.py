"""Every error becomes `application/problem+json`."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from medheart.errors import (
    Busy,
    Conflict,
    Corrupt,
    GeometryError,
    ImageRejected,
    JobError,
    MedHeartError,
    ModelError,
    NotAllowed,
    NotFound,
    NotSignedIn,
    SchemaError,
    TaskError,
    Unavailable,
)
from medheart.wire.paths import without_paths
from medheart.wire.service import PROBLEM_TYPE, problem

__all__ = ["install", "reply"]

_LOG = logging.getLogger("medheart.service")

_STATUS: dict[type[MedHeartError], int] = {
    NotSignedIn: 401,
    NotAllowed: 403,
    NotFound: 404,
    Conflict: 409,
    ImageRejected: 422,
    SchemaError: 422,
    GeometryError: 422,
    TaskError: 422,
    Busy: 429,
    Corrupt: 500,
    JobError: 500,
    ModelError: 500,
    Unavailable: 503,
}
_BY_CODE = {"too_large": 413, "key_reused": 422}


def reply(status: int, detail: str, *, code: str, headers: dict[str, str] | None = None, **facts: Any) -> JSONResponse:
    """Return an error reply; it names no folder of this machine, its log does."""
    body = problem(status, detail, code=code, **facts)
    told = without_paths(body)
    if told != body:
        _LOG.warning("answered %s: %s", status, detail)
    return JSONResponse(told, status_code=status, media_type=PROBLEM_TYPE, headers=headers)


def install(app: FastAPI) -> None:
    """Make `app` answer every error with problem JSON."""
    app.add_exception_handler(MedHeartError, _on_own)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Exception, _on_unforeseen)


def _on_own(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, MedHeartError)
    kind = next((kind for kind in type(error).__mro__ if kind in _STATUS), None)
    status = _BY_CODE.get(error.code) or (_STATUS[kind] if kind else 400)
    headers = {"Retry-After": str(error.details.get("retry_after_s", 1))} if status in (429, 503) else None
    facts = {name: value for name, value in error.details.items() if name not in ("status", "title", "type", "detail")}
    return reply(status, error.message, code=error.code, headers=headers, **facts)


def _on_http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http")
    return reply(error.status_code, str(error.detail), code=code, headers=dict(error.headers or {}))


def _on_invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = [{"where": ".".join(map(str, item["loc"])), "what": item["msg"]} for item in error.errors()]
    return reply(422, "; ".join(f"{item['where']}: {item['what']}" for item in found), code="invalid", errors=found)


def _on_unforeseen(request: Request, error: Exception) -> JSONResponse:
    _LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return reply(500, "the service failed to answer this request; its log says why", code="internal")
