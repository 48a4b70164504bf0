"""The bridge: blocking applications, streaming in both directions."""

from __future__ import annotations

import asyncio
import threading
import time

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from medheart_labeling.bridge import ThreadedASGI


async def blocking(_: Request) -> PlainTextResponse:
    """Block its loop, as MONAI Label's endpoints do."""
    time.sleep(0.5)
    return PlainTextResponse(threading.current_thread().name)


async def failing(_: Request) -> PlainTextResponse:
    """Fail before the answer starts."""
    raise ZeroDivisionError


INNER = Starlette(
    routes=[
        Route("/blocking", blocking),
        Route("/failing", failing),
    ]
)


def ask(app, *calls):
    """Run requests at the same time on one loop and return their answers."""

    async def main():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await asyncio.gather(*(client.request(*call) for call in calls), return_exceptions=True)

    return anyio.run(main)


def test_blocking_requests_run_side_by_side_and_off_the_loop():
    started = time.monotonic()
    replies = ask(ThreadedASGI(INNER), *[("GET", "/blocking")] * 4)
    assert [reply.status_code for reply in replies] == [200] * 4
    assert time.monotonic() - started < 1.8
    assert threading.main_thread().name not in {reply.text for reply in replies}


def test_no_more_threads_than_allowed():
    started = time.monotonic()
    ask(ThreadedASGI(INNER, threads=1), *[("GET", "/blocking")] * 3)
    assert time.monotonic() - started >= 1.5


async def echo(scope, receive, send):
    """Send each part back as it comes."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"].upper(), "more_body": more})


def test_parts_stream_through_in_both_directions():
    events, parts = [], [b"a", b"b", b"c"]

    async def receive():
        events.append(parts.pop(0))
        return {"type": "http.request", "body": events[-1], "more_body": bool(parts)}

    async def send(message):
        events.append(message.get("body"))

    anyio.run(ThreadedASGI(echo), {"type": "http"}, receive, send)
    # Each part is back before the next one is asked for.
    assert events == [None, b"a", b"A", b"b", b"B", b"c", b"C"]


def test_an_error_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        raise ask(ThreadedASGI(INNER), ("GET", "/failing"))[0]
