"""What the handlers share: threads, forms, uploads, who asks."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import anyio
import anyio.to_thread
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response

from medheart.errors import MedHeartError
from medheart_access import LOCAL_OWNER, Identity, identity_of
from medheart_labeling.ids import annotator_name, check_id, check_query, safe_ending

if TYPE_CHECKING:
    from medheart_labeling.backend import Backend

__all__ = [
    "Handler",
    "annotator",
    "backend_of",
    "flag",
    "guarded",
    "identity",
    "in_thread",
    "in_worker",
    "json_body",
    "json_object",
    "query",
    "read_form",
    "saved",
    "upload",
]

Handler = Callable[[Request], Awaitable[Response]]
P = ParamSpec("P")
T = TypeVar("T")
_WORKERS = 4


def guarded(role: str | None, handler: Handler, *, unchecked: frozenset[str] = frozenset()) -> Handler:
    """Return a handler that first checks the role (None: public) and every id in path and query.

    Query parameters named as `unchecked` are checked by the handler, where it uses them.
    """

    async def serve(request: Request) -> Response:
        if role is not None:
            identity(request).require(role)
        for name, value in request.path_params.items():
            # `path` is the rest of a path that no file is looked up by.
            if name != "path":
                check_id(name, value)
        check_query(item for item in request.query_params.multi_items() if item[0] not in unchecked)
        return await handler(request)

    return serve


async def in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking code off the event loop."""
    return await anyio.to_thread.run_sync(partial(call, *args, **kwargs))


async def in_worker(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run what takes long or much memory off the event loop, a few at a time: short work never waits for it."""
    return await anyio.to_thread.run_sync(partial(call, *args, **kwargs), limiter=_workers())


@cache
def _workers() -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(_WORKERS)


async def backend_of(request: Request) -> Backend:
    """Return the backend; raises Unavailable while it loads."""
    backend: Backend = await request.app.state.startup.backend()
    return backend


def identity(request: Request) -> Identity:
    """Return who asks."""
    return identity_of(request.scope)


def annotator(request: Request, client: Any = None) -> str:
    """Return the author of what a request makes; see `ids.annotator_name`."""
    who = identity(request)
    return annotator_name(who.name, client or request.query_params.get("client_id"), is_local=who == LOCAL_OWNER)


def query(request: Request, name: str) -> str:
    """Return a query parameter that must be there."""
    value = request.query_params.get(name)
    if not value:
        raise MedHeartError(f"the query parameter {name!r} is missing", code="bad_request")
    return value


def flag(request: Request, name: str) -> bool:
    """Return a boolean query parameter, false where it is not given."""
    value = request.query_params.get(name, "").lower()
    if value not in {"", "true", "false", "1", "0"}:
        raise MedHeartError(f"the query parameter {name!r} must be true or false, got {value!r}", code="bad_request")
    return value in {"true", "1"}


async def json_body(request: Request) -> dict[str, Any]:
    """Return the JSON object of a body; empty where there is none."""
    raw = await request.body()
    return json_object(raw, "the body") if raw.strip() else {}


def json_object(raw: Any, what: str) -> dict[str, Any]:
    """Return a JSON object out of text; raises MedHeartError (`bad_json`) naming what is wrong."""
    try:
        data = json.loads(raw if isinstance(raw, (str, bytes)) and raw else "{}")
    except (ValueError, RecursionError) as error:
        raise MedHeartError(f"{what} is not JSON: {error}", code="bad_json") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise MedHeartError(f"{what} must be a JSON object, got {type(data).__name__}", code="bad_json")
    return data


@asynccontextmanager
async def read_form(request: Request, *, max_files: int = 8) -> AsyncIterator[FormData]:
    """Read a form; its files are gone after the block."""
    async with request.form(max_files=max_files, max_fields=64) as form:
        yield form


def upload(form: FormData, name: str) -> UploadFile:
    """Return a file of a form; raises MedHeartError where it is missing."""
    value = form.get(name)
    if not isinstance(value, UploadFile):
        raise MedHeartError(f"the form has no file {name!r}", code="bad_request")
    return value


@asynccontextmanager
async def saved(*files: UploadFile) -> AsyncIterator[list[Path]]:
    """Write uploaded files into a folder of their own under names of ours; gone after the block."""
    with tempfile.TemporaryDirectory(prefix="medheart-") as folder:
        paths = [Path(folder) / f"upload-{n}{safe_ending(file.filename)}" for n, file in enumerate(files)]
        for file, path in zip(files, paths, strict=True):
            await in_thread(_copy, file, path)
        yield paths


def _copy(file: UploadFile, path: Path) -> None:
    with path.open("wb") as target:
        shutil.copyfileobj(file.file, target, 1 << 20)
