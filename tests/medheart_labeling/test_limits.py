"""Bodies that are too long, alone or together."""

from __future__ import annotations

import anyio

from medheart_labeling.limits import BodyLimit


async def reads_all(scope, receive, send):
    """Read the body and say how long it was."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


async def swallows(scope, receive, send):
    """Answer with its own words when the body breaks off, as form parsers do."""
    try:
        await reads_all(scope, receive, send)
    except Exception:
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": b"cannot parse"})


def request(*parts, stated=None):
    """Return scope, receive and send of a request, and the list of what is sent."""
    waiting, sent = list(parts), []
    headers = [(b"content-length", str(stated).encode())] if stated is not None else []
    scope = {"type": "http", "method": "POST", "path": "/x", "headers": headers}

    async def receive():
        part = waiting.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(waiting)}

    async def send(message):
        sent.append(message)

    return scope, receive, send, sent


def status_of(app, *parts, stated=None):
    scope, receive, send, sent = request(*parts, stated=stated)
    anyio.run(app, scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


def limited(inner, limit, **options):
    return BodyLimit(inner, limit_of=lambda method, path: limit, **options)


def test_what_fits_passes():
    assert status_of(limited(reads_all, 10), b"12345", b"67890") == (200, b"10")


def test_what_is_longer_is_cut_off_whatever_the_application_says():
    for inner in (reads_all, swallows):
        status, body = status_of(limited(inner, 10), b"12345", b"678901")
        assert status == 413
        assert b"too_large" in body


def test_a_stated_length_is_refused_before_anything_is_read():
    assert status_of(limited(reads_all, 10), stated=11)[0] == 413
    # A length that is no number is not believed; what comes is counted.
    assert status_of(limited(reads_all, 10), b"1" * 11, stated="x")[0] == 413


def test_all_bodies_together_are_bounded_and_freed_again():
    app = limited(reads_all, 100, total=12)

    async def main():
        release = anyio.Event()
        scope, receive, send, first = request(b"1234567890", b"")
        plain = receive

        async def held():
            message = await plain()
            if not message["body"]:
                await release.wait()
            return message

        async with anyio.create_task_group() as group:
            group.start_soon(app, scope, held, send)
            await anyio.sleep(0.05)
            scope, receive, send, second = request(b"123")
            await app(scope, receive, send)
            release.set()
        scope, receive, send, third = request(b"1234567890")
        await app(scope, receive, send)
        return [sent[0]["status"] for sent in (first, second, third)]

    assert anyio.run(main) == [200, 429, 200]
