"""The ASGI application of the service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from medheart import __version__
from medheart.settings import Settings
from medheart.wire.service import MAX_BODY_BYTES, PREFIX
from medheart_access import Access, AccessMiddleware, Sessions, check_binding, is_loopback
from medheart_jobs import Jobs
from medheart_server import problems
from medheart_server.context import Context
from medheart_server.limits import Limits
from medheart_server.observing import Observer, Tally
from medheart_server.pictures import Previews
from medheart_server.routes import bundles, documents, exports, health, jobs, series, session, studies, tasks, versions
from medheart_store import Store

__all__ = ["create_app"]

_STATIC = Path(__file__).with_name("static")
_WORDS_BYTES = 64 << 10


def create_app(settings: Settings) -> FastAPI:
    """Return the application.

    Raises
    ------
    AccessError
        If it would be reachable from other machines unprotected.
    """
    access = Access.open(settings)
    sessions = Sessions(settings.home / "access" / "sessions.sqlite", access.keys)
    check_binding(settings.host, can_sign_in=access.login_required, tls=False, behind_proxy=False)

    tally = Tally()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with Store.open(settings.store_dir) as store, Jobs(settings.jobs_url) as job_tables:
            app.state.context = Context(settings, store, job_tables, tally, Previews(store), access, sessions)
            yield

    app = FastAPI(
        title="MedHeart",
        version=__version__,
        lifespan=lifespan,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app)
    app.add_middleware(Limits, limit_of=_body_limit)
    app.add_middleware(
        AccessMiddleware,
        access=access,
        is_public=_is_public,
        check_host=is_loopback(settings.host),
        sessions=sessions,
        is_optional=lambda path: path == session.PATH,
    )
    app.add_middleware(Observer, tally=tally)
    app.include_router(health.router)
    for module in (session, studies, series, versions, documents, jobs, tasks, bundles, exports):
        app.include_router(module.router, prefix=PREFIX)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    app.add_api_route("/", _front_page, include_in_schema=False)
    return app


def _body_limit(path: str) -> int:
    """Return how many bytes a request may have: files go to two places, all else is a few words."""
    uploads = path == f"{PREFIX}/studies" or path.startswith(f"{PREFIX}/bundles/")
    return MAX_BODY_BYTES if uploads else _WORDS_BYTES


def _is_public(path: str) -> bool:
    """Whether a path needs no identity: life signs, and the page itself, which holds no data."""
    return path in {"/", "/livez", "/readyz"} or path.startswith("/static/")


async def _front_page() -> FileResponse:
    policy = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    return FileResponse(_STATIC / "index.html", headers={"Content-Security-Policy": policy})
