"""Runs an ASGI application in worker threads, one event loop a request.

MONAI Label's endpoints are `async` functions that block: run on the server's own loop they would stop
it. Here each request gets a thread with a loop of its own; `receive` and `send` cross over to the
server's loop and back, message by message, so that bodies stream in both directions.

Who owns what: the server's loop owns the connection; the thread owns the application's loop, which
dies with the request. No lock is taken here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["ThreadedASGI"]

T = TypeVar("T")


class ThreadedASGI:
    """An ASGI application whose blocking code cannot reach the server's loop.

    Parameters
    ----------
    app : ASGI application
        Any; its lifespan is not run.
    threads : int
        Requests at a time; further ones wait.
    """

    def __init__(self, app: ASGIApp, *, threads: int = 8) -> None:
        self.app = app
        self._limiter = anyio.CapacityLimiter(threads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request in a thread of its own."""
        outer = asyncio.get_running_loop()

        async def cross(call: Coroutine[Any, Any, T]) -> T:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, outer))

        async def receive_across() -> Message:
            return await cross(_as_coroutine(receive()))

        async def send_across(message: Message) -> None:
            await cross(_as_coroutine(send(message)))

        def work() -> None:
            asyncio.run(_as_coroutine(self.app(scope, receive_across, send_across)))

        await anyio.to_thread.run_sync(work, limiter=self._limiter)


async def _as_coroutine(awaitable: Any) -> Any:
    return await awaitable
