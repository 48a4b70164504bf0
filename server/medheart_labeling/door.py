"""The door: the ASGI application that everything passes.

From the outside in: access (Host, Origin, key), limits on bodies, errors as JSON, then the table of
paths (`routes.table`). It is open within a second or two; what is still loading answers 503 with
`Retry-After`, see `startup`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware

from medheart_access import Access, AccessMiddleware
from medheart_labeling.limits import BodyLimit
from medheart_labeling.replies import handlers
from medheart_labeling.routes.table import body_limit, is_public, routes
from medheart_labeling.startup import Startup

__all__ = ["make_door"]


def make_door(startup: Startup, access: Access, *, log: Path, check_host: bool = True) -> Starlette:
    """Build the application.

    Parameters
    ----------
    startup : Startup
        Loads what lies behind; begun and ended with the application.
    access : Access
        Who is who.
    log : pathlib.Path
        The server's log, for `/logs/`.
    check_host : bool
        Whether the `Host` header must be a loopback name: where the server listens on loopback.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        startup.begin()
        yield
        startup.end()

    app = Starlette(
        routes=routes(),
        lifespan=lifespan,
        exception_handlers=handlers(),
        middleware=[
            Middleware(AccessMiddleware, access=access, is_public=is_public, check_host=check_host),
            Middleware(BodyLimit, limit_of=body_limit),
        ],
    )
    app.state.startup, app.state.access, app.state.log = startup, access, log
    return app
