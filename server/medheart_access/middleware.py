"""ASGI middleware that lets a request pass with its identity, or answers it with 401 or 403.

While no login is asked for, a page in the browser of the local owner could act as the owner. So on a
loopback address the `Host` header must name this machine (against DNS rebinding), and an `Origin`
header, which browsers send with requests of other pages, must be the server's own. CORS is off.

A browser that has signed in sends a session's cookie instead of a key. It comes by itself with every
request, so requests that change something need the session's second token in a header, too.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from medheart.errors import AccessError, Busy, NotAllowed, NotSignedIn
from medheart.wire.paths import without_paths
from medheart_access.access import Access
from medheart_access.binding import is_loopback
from medheart_access.identity import Identity
from medheart_access.sessions import CSRF_HEADER, Session, Sessions

__all__ = ["AccessMiddleware", "identity_of", "session_of"]

_KEY = "medheart.identity"
_SESSION = "medheart.session"
_READING = {"GET", "HEAD", "OPTIONS"}


def identity_of(scope: Scope) -> Identity:
    """Return who a request comes from; raises NotSignedIn where the middleware let it pass unasked."""
    identity = scope.get(_KEY)
    if not isinstance(identity, Identity):
        raise NotSignedIn("this server needs a key: send `Authorization: Bearer <key>`")
    return identity


def session_of(scope: Scope) -> Session | None:
    """Return the session that a request came with, None where it came with a key or nothing."""
    session = scope.get(_SESSION)
    return session if isinstance(session, Session) else None


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
    sessions : Sessions, optional
        Sessions of browsers; without it keys alone are accepted.
    is_optional : callable
        From a path to whether it takes an identity where there is one, and does without.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        is_public: Callable[[str], bool],
        check_host: bool = True,
        sessions: Sessions | None = None,
        is_optional: Callable[[str], bool] = lambda _path: False,
    ) -> None:
        self.app = app
        self._access = access
        self._is_public = is_public
        self._check_host = check_host
        self._sessions = sessions
        self._is_optional = is_optional

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        try:
            self._admit(scope)
        except (AccessError, Busy) as error:
            await _refusal(error)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._check_host and not is_loopback(_parts(f"//{host}").hostname or ""):
            raise NotAllowed(f"this server answers to localhost only, not to {host!r}", code="bad_host")
        if origin is not None and _parts(origin).netloc.lower() != host.lower():
            raise NotAllowed(f"requests from pages of {origin!r} are not allowed", code="bad_origin")
        if self._is_public(scope["path"]):
            return
        try:
            scope[_KEY] = self._identify(scope, headers)
        except NotSignedIn:
            if not self._is_optional(scope["path"]):
                raise

    def _identify(self, scope: Scope, headers: Headers) -> Identity:
        authorization, client = headers.get("authorization"), scope.get("client")
        if authorization is None and (session := self._session(headers)) is not None:
            if scope.get("method") not in _READING:
                session.check_csrf(headers.get(CSRF_HEADER))
            scope[_SESSION] = session
            return session.identity
        # Without a client address the request came through a Unix socket of this machine.
        from_here = client is None or is_loopback(client[0])
        return self._access.identify(authorization, from_here=from_here, address=client[0] if client else "")

    def _session(self, headers: Headers) -> Session | None:
        if self._sessions is None:
            return None
        token = cookie_parser(headers.get("cookie", "")).get(self._sessions.cookie)
        return self._sessions.find(token) if token else None


def _parts(address: str) -> SplitResult:
    """Return the parts of an address, none where it is no address, such as one that ends within brackets."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _refusal(error: AccessError | Busy) -> JSONResponse:
    message = without_paths(error.message)
    body = {"detail": message, "code": error.code, "message": message}
    if isinstance(error, Busy):
        return JSONResponse(body, status_code=429, headers={"Retry-After": str(error.details["retry_after_s"])})
    signed_out = isinstance(error, NotSignedIn)
    headers = {"WWW-Authenticate": "Bearer"} if signed_out else None
    return JSONResponse(body, status_code=401 if signed_out else 403, headers=headers)
