"""What the service tells of itself: one JSON line a request, and counters in Prometheus' text format.

Lines and counters name routes and ids of ours, never a query, a body or a header of the client: no
patient data gets into a log.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
import uuid
from collections import Counter
from datetime import UTC, datetime

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Observer", "Tally", "log_as_json"]

_LOG = logging.getLogger("medheart.service.requests")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Tally:
    """Requests by route and status, and the seconds they took. One lock guards both counters."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count: Counter[tuple[str, str, int]] = Counter()
        self._seconds: Counter[str] = Counter()

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        with self._lock:
            self._count[method, route, status] += 1
            self._seconds[route] += seconds  # type: ignore[assignment]

    def lines(self) -> list[str]:
        """Return the counters in Prometheus' text format."""
        with self._lock:
            count, seconds = dict(self._count), dict(self._seconds)
        lines = ["# TYPE medheart_requests_total counter"]
        for (method, route, status), number in sorted(count.items()):
            lines.append(f'medheart_requests_total{{method="{method}",route="{route}",status="{status}"}} {number}')
        lines.append("# TYPE medheart_request_seconds_total counter")
        lines += [f'medheart_request_seconds_total{{route="{route}"}} {value:.6f}' for route, value in seconds.items()]
        return lines


class Observer:
    """ASGI middleware: gives each request an id, counts it, and writes its line.

    Parameters
    ----------
    app : ASGIApp
        What is observed.
    tally : Tally
        Where to count.
    """

    def __init__(self, app: ASGIApp, *, tally: Tally) -> None:
        self._app = app
        self._tally = tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        status, started = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._note(scope, request_id, status, time.perf_counter() - started)

    def _note(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        self._tally.add(scope["method"], route, status, seconds)
        facts = {"method": scope["method"], "route": route, "ids": scope.get("path_params", {}), "status": status}
        _LOG.info("request", extra={"facts": {**facts, "ms": round(seconds * 1000, 1), "request": request_id}})


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line of JSON."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_as_json() -> None:
    """Write all logs of this process to stderr, one JSON object a line."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("dbos", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
