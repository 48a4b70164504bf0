"""ASGI middleware that bounds what comes in: the bytes of one body, and those of all bodies together.

It runs on the event loop alone, so that its count needs no lock.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from medheart.errors import Busy, MedHeartError
from medheart_labeling.replies import error_reply

__all__ = ["BodyLimit"]


class _CutOff(Exception):
    """The body went past a limit."""


class BodyLimit:
    """Counts the bytes of a body as they come; the stated length is only a reason to refuse at once.

    Parameters
    ----------
    app : ASGI application
        What is protected.
    limit_of : callable
        From method and path to the number of bytes allowed.
    total : int
        Bytes that bodies of requests that run may have together.
    """

    def __init__(self, app: ASGIApp, *, limit_of: Callable[[str, str], int], total: int = 16 << 30) -> None:
        self.app = app
        self._limit_of = limit_of
        self._total = total
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self._limit_of(scope["method"], scope["path"])
        if _stated_length(scope) > limit:
            await _too_large(limit)(scope, receive, send)
            return
        await self._serve(scope, receive, send, limit)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        came, refusal, started = 0, None, False

        async def counted() -> Message:
            nonlocal came, refusal
            message = await receive()
            size = len(message.get("body", b""))
            came += size
            self._held += size
            if came > limit:
                refusal = _too_large(limit)
            elif self._held > self._total:
                refusal = error_reply(Busy("too much is being uploaded at the same time", retry_after_s=30))
            if refusal is not None:
                raise _CutOff
            return message

        async def guarded(message: Message) -> None:
            nonlocal started
            # What the application says about a body that we cut off is not the reason; ours follows.
            if refusal is None or started:
                started = True
                await send(message)

        try:
            with suppress(_CutOff):
                await self.app(scope, counted, guarded)
        finally:
            self._held -= came
        if refusal is not None and not started:
            await refusal(scope, receive, send)


def _stated_length(scope: Scope) -> int:
    value = dict(scope["headers"]).get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


def _too_large(limit: int) -> Any:
    text = f"the request is longer than the {limit} bytes allowed here"
    return error_reply(MedHeartError(text, code="too_large", limit=limit))
