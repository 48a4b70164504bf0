"""Every error as JSON: `{"detail", "code", "message"}`, with the status that belongs to it.

`detail` is what stock MONAI Label clients print. Where something lies on this server is nobody's business:
folders are cut from every reply and kept in the log. Handlers work for Starlette and FastAPI alike.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from medheart import errors
from medheart.errors import MedHeartError
from medheart.wire.paths import without_paths

__all__ = ["error_reply", "handlers", "on_error", "on_http", "on_unexpected", "status_of"]

_log = logging.getLogger(__name__)

_STATUS: dict[type[MedHeartError], int] = {
    errors.NotSignedIn: 401,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.ImageRejected: 422,
    errors.SchemaError: 422,
    errors.GeometryError: 422,
    errors.TaskError: 422,
    errors.Busy: 429,
    errors.Cancelled: 499,
    errors.Corrupt: 500,
    errors.ModelError: 500,
    errors.JobError: 500,
    errors.Unavailable: 503,
}
_BY_CODE = {"too_large": 413, "not_found": 404, "bad_method": 405, "weights_missing": 404, "bad_arguments": 413}
_RETRY_S = 5


def status_of(error: MedHeartError) -> int:
    """Return the HTTP status of an error; 400 where nothing nearer is known."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 400)


def error_reply(error: MedHeartError) -> JSONResponse:
    """Return the JSON reply of an error of ours."""
    status = status_of(error)
    retry = error.details.get("retry_after_s", _RETRY_S)
    headers = {"Retry-After": str(max(1, round(retry)))} if status in {429, 503} else None
    return _reply({"detail": error.message, **error.to_dict()}, status, headers)


def _reply(body: dict[str, Any], status: int, headers: Mapping[str, str] | None) -> JSONResponse:
    told = without_paths(body)
    if told != body:
        _log.warning("%s", body["message"])
    return JSONResponse(told, status_code=status, headers=headers)


async def on_error(_: Request, error: Exception) -> JSONResponse:
    """Answer a MedHeartError."""
    if not isinstance(error, MedHeartError):
        raise error
    return error_reply(error)


async def on_http(_: Request, error: Exception) -> JSONResponse:
    """Answer an HTTPException of Starlette or FastAPI."""
    if not isinstance(error, HTTPException):
        raise error
    words = {404: "not_found", 405: "bad_method", 401: "not_signed_in", 403: "not_allowed", 429: "busy"}
    body = {"detail": error.detail, "code": words.get(error.status_code, "bad_request"), "message": str(error.detail)}
    headers: Mapping[str, str] | None = error.headers
    return _reply(body, error.status_code, headers)


async def on_unexpected(request: Request, error: Exception) -> JSONResponse:
    """Answer what nobody foresaw: an id for the reader, the rest for the log."""
    number = uuid.uuid4().hex[:12]
    _log.error("unexpected error %s in %s %s", number, request.method, request.url.path, exc_info=error)
    message = f"the label server failed; its log has the details under {number}"
    return JSONResponse({"detail": message, "code": "internal", "message": message, "id": number}, status_code=500)


def handlers() -> dict[Any, Callable[..., Any]]:
    """Return the exception handlers of an application."""
    return {MedHeartError: on_error, HTTPException: on_http, Exception: on_unexpected}
