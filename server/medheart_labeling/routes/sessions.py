"""`/session/`: images that are looked at without being kept."""

from __future__ import annotations

from pathlib import Path

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from medheart.errors import MedHeartError
from medheart_labeling.routes.common import backend_of, flag, in_thread, in_worker, read_form, saved

__all__ = ["delete_session", "get_session", "put_session"]

_FILES = 20_000


async def put_session(request: Request) -> Response:
    """Make a session of the uploaded files; archives are unpacked by the safe reader, asked or not."""
    backend = await backend_of(request)
    expiry = request.query_params.get("expiry") or "0"
    if not expiry.isdigit():
        raise MedHeartError(f"expiry must be a number of seconds, got {expiry!r}", code="bad_request")
    length = request.headers.get("content-length", "0")
    await in_thread(backend.sessions.check_room, int(length) if length.isdigit() else 0)
    async with read_form(request, max_files=_FILES) as form:
        files = [item for item in form.getlist("files") if isinstance(item, UploadFile)]
        async with saved(*files) as paths:
            info = await in_worker(backend.sessions.add, paths, expiry=int(expiry))
    return JSONResponse({"session_id": info["name"], "session_info": info})


async def get_session(request: Request) -> Response:
    """Tell a session, or send its image."""
    backend, session = await backend_of(request), request.path_params["session"]
    info = await in_thread(backend.sessions.get, session, touch=flag(request, "update_ts"))
    path = Path(info["image"])
    if not flag(request, "image"):
        return JSONResponse(info)
    if path.is_dir():
        raise MedHeartError(f"session {session!r} holds {len(list(path.iterdir()))} files", code="bad_request")
    return FileResponse(path, media_type="application/octet-stream", filename=path.name)


async def delete_session(request: Request) -> Response:
    """End a session."""
    backend = await backend_of(request)
    return JSONResponse(await in_thread(backend.sessions.remove, request.path_params["session"]))
