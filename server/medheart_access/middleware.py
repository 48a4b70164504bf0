"""ASGI middleware that lets a request pass with its identity, or answers it with 401 or 403.

While no login is asked for, a page in the browser of the local owner could act as the owner. So on a
loopback address the `Host` header must name this machine (against DNS rebinding), and an `Origin`
header, which browsers send with requests of other pages, must be the server's own. CORS is off.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from medheart.errors import AccessError, NotAllowed, NotSignedIn
from medheart_access.access import Access
from medheart_access.binding import is_loopback
from medheart_access.identity import Identity

__all__ = ["AccessMiddleware", "identity_of"]

_KEY = "medheart.identity"


def identity_of(scope: Scope) -> Identity:
    """Return who a request comes from; raises NotSignedIn where the middleware let it pass unasked."""
    identity = scope.get(_KEY)
    if not isinstance(identity, Identity):
        raise NotSignedIn("this server needs a key: send `Authorization: Bearer <key>`")
    return identity


class AccessMiddleware:
    """Sets the identity of a request, or refuses it.

    Parameters
    ----------
    app : ASGI application
        What is protected.
    access : Access
        Who is who.
    is_public : callable
        From a path to whether it needs no identity.
    check_host : bool
        Whether the `Host` header must be a loopback name; set where the server listens on loopback.
    """

    def __init__(
        self, app: ASGIApp, *, access: Access, is_public: Callable[[str], bool], check_host: bool = True
    ) -> None:
        self.app = app
        self._access = access
        self._is_public = is_public
        self._check_host = check_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        try:
            self._admit(scope)
        except AccessError as error:
            await _refusal(error)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._check_host and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            raise NotAllowed(f"this server answers to localhost only, not to {host!r}", code="bad_host")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise NotAllowed(f"requests from pages of {origin!r} are not allowed", code="bad_origin")
        if self._is_public(scope["path"]):
            return
        client = scope.get("client")
        # Without a client address the request came through a Unix socket of this machine.
        from_here = client is None or is_loopback(client[0])
        scope[_KEY] = self._access.identify(headers.get("authorization"), from_here=from_here)


def _refusal(error: AccessError) -> JSONResponse:
    signed_out = isinstance(error, NotSignedIn)
    return JSONResponse(
        {"detail": error.message, "code": error.code, "message": error.message},
        status_code=401 if signed_out else 403,
        headers={"WWW-Authenticate": "Bearer"} if signed_out else None,
    )
