"""Is it alive, is it ready, what does it offer, how far is an inference."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from medheart_labeling.info import app_info
from medheart_labeling.routes.common import annotator, backend_of, identity, in_thread, json_body
from medheart_labeling.startup import is_ready

__all__ = ["cancel_request", "info", "livez", "readyz", "release_lease", "renew_lease", "request_state"]


async def livez(_: Request) -> Response:
    """Answer as long as the process lives."""
    return JSONResponse({"status": "alive"})


async def readyz(request: Request) -> Response:
    """Say what is ready and what is still loading; 503 until labels and inference work."""
    startup = request.app.state.startup
    parts = await in_thread(startup.state)
    ready = is_ready(parts)
    loading = [name for name, word in parts.items() if word == "loading"]
    body = {"status": "ready" if ready else "starting", "parts": parts, "loading": loading}
    return JSONResponse({**body, "installation": startup.installation}, status_code=200 if ready else 503)


async def info(request: Request) -> Response:
    """Answer MONAI Label's `/info/`."""
    return JSONResponse(await in_thread(app_info, await backend_of(request)))


async def request_state(request: Request) -> Response:
    """Say how far an inference is."""
    backend = await backend_of(request)
    return JSONResponse(backend.requests.get(request.path_params["request"], identity(request)).to_dict())


async def cancel_request(request: Request) -> Response:
    """Stop an inference; the request that waits for it is answered with 499."""
    backend = await backend_of(request)
    return JSONResponse(backend.requests.cancel(request.path_params["request"], identity(request)).to_dict())


async def renew_lease(request: Request) -> Response:
    """Keep a case: the heartbeat of a client that works on it."""
    backend = await backend_of(request)
    who = annotator(request, (await json_body(request)).get("client_id"))
    seconds = await in_thread(backend.worklist.renew, request.path_params["image"], who)
    return JSONResponse({"image": request.path_params["image"], "lease_s": seconds})


async def release_lease(request: Request) -> Response:
    """Give a case back."""
    backend = await backend_of(request)
    await in_thread(backend.worklist.release, request.path_params["image"], annotator(request))
    return JSONResponse({"image": request.path_params["image"]})
