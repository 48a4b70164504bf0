"""What every request and reply must keep to: size of bodies, headers that tell a browser what not to do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from medheart_server.problems import reply

__all__ = ["Limits"]

_SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"cache-control", b"no-store"),
]


class _TooLarge(Exception):
    """The body grew over its limit."""


class Limits:
    """ASGI middleware.

    Parameters
    ----------
    app : ASGIApp
        What to guard.
    limit_of : callable
        From path to the largest body of a request in bytes; larger ones are cut off while they stream in.
    """

    def __init__(self, app: ASGIApp, *, limit_of: Callable[[str], int]) -> None:
        self._app = app
        self._limit_of = limit_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413, or pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope["path"])
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            await _too_large(limit)(scope, receive, send)
            return
        seen, started = 0, False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise _TooLarge
            return message

        async def secured(message: Message) -> None:
            nonlocal started
            if seen > limit and not started:
                return  # What the application makes of a body that was cut off is not the reason; ours follows.
            if message["type"] == "http.response.start":
                started = True
                _add_headers(message)
            await send(message)

        with suppress(_TooLarge):
            await self._app(scope, counted, secured)
        if seen > limit and not started:
            await _too_large(limit)(scope, receive, send)


def _too_large(limit: int) -> JSONResponse:
    return reply(413, f"the request is larger than the {limit} bytes allowed here", code="too_large", limit=limit)


def _add_headers(message: Message) -> None:
    present = {name.lower() for name, _ in message["headers"]}
    message["headers"] = [*message["headers"], *(pair for pair in _SECURITY_HEADERS if pair[0] not in present)]
