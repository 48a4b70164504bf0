"""HTTP to a MedHeart service with the standard library: requests, streams, errors, jobs to their end.

The key goes to the service that was named and to no other: redirects are refused, proxies not used.
"""

from __future__ import annotations

import json
import secrets
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode, urlsplit

from medheart.errors import (
    Busy,
    Cancelled,
    Conflict,
    JobError,
    MedHeartError,
    NotAllowed,
    NotFound,
    NotSignedIn,
    Unavailable,
)
from medheart.records import Job
from medheart.wire.service import PREFIX

__all__ = ["ServiceConnection", "Told", "read_job"]

Told = Callable[[str, int, int], None]
"""Called with what is being done, how many parts are done, and how many there are (0: not known)."""

_ERRORS: dict[int, type[MedHeartError]] = {
    401: NotSignedIn,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    429: Busy,
    503: Unavailable,
}
_WORDS = {401: "; set MEDHEART_KEY to a key of this service", 429: "; try again later"}
_CHUNK = 1 << 20
_POLL_S = (0.1, 1.0)
_SILENCE_S = 60.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


class ServiceConnection:
    """A MedHeart service at a URL.

    Parameters
    ----------
    url : str
        Address, e.g. `http://127.0.0.1:8080`.
    key : str, optional
        Sent as bearer token, where the service asks for one.
    timeout_s : float
        Seconds without a sign of life after which a request fails.

    Raises
    ------
    MedHeartError
        `usage` if the URL is none.
    """

    def __init__(self, url: str, *, key: str | None = None, timeout_s: float = 60) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise MedHeartError(f"a server is an address like http://127.0.0.1:8080, got {url!r}", code="usage")
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._timeout_s = timeout_s
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON behind a path of the API."""
        return self._json("GET", path, query=query)

    def post(self, path: str, body: Any = None, **query: Any) -> Any:
        """Post a JSON body and return the JSON of the reply."""
        data = json.dumps(body).encode()
        return self._json("POST", path, query=query, data=data, headers={"Content-Type": "application/json"})

    def delete(self, path: str) -> Any:
        """Delete what is behind a path and return the JSON of the reply."""
        return self._json("DELETE", path)

    def download(self, path: str, target: Path, **query: Any) -> Path:
        """Stream what is behind a path into a file that appears whole or not at all."""
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{secrets.token_hex(4)}-{target.name}")
        try:
            with self._call("GET", path, query=query) as reply, temporary.open("xb") as stream:
                while piece := self._read(reply, _CHUNK):
                    stream.write(piece)
                _check_whole(reply.headers, stream.tell(), target)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return target

    def run(self, path: str, *, upload: Path | None = None, tell: Told | None = None, **query: Any) -> Job:
        """Ask for a job and follow it to its end; an interrupt (Ctrl-C) cancels it on the service.

        Parameters
        ----------
        path : str
            Address that answers 202 with a job.
        upload : pathlib.Path, optional
            File to stream as the body.
        tell : callable, optional
            Gets the progress of the upload in bytes, then that of the job.

        Raises
        ------
        JobError
            If the job failed; carries the code of its error.
        Cancelled
            If somebody cancelled it.
        """
        # The key is the job's id: it can be cancelled before the reply that names it has come.
        key = uuid.uuid4().hex
        say = tell or (lambda _words, _done, _total: None)
        try:
            return self._follow(read_job(self._start(path, query, upload, key, say)), say)
        except KeyboardInterrupt:
            with suppress(MedHeartError):
                self.delete(f"/jobs/{key}")
            raise

    def _start(self, path: str, query: Mapping[str, Any], upload: Path | None, key: str, say: Told) -> dict[str, Any]:
        headers = {"Idempotency-Key": key}
        if upload is None:
            return dict(self._json("POST", path, query=query, data=b"", headers=headers))
        size = upload.stat().st_size
        headers |= {"Content-Type": "application/zip", "Content-Length": str(size)}
        with upload.open("rb") as stream:
            body = _pieces(stream, size, say)
            return dict(self._json("POST", path, query=query, data=body, headers=headers))

    def _follow(self, job: Job, say: Told) -> Job:
        wait, heard = _POLL_S[0], time.monotonic()
        while not job.finished:
            words = f"{job.name}: {job.state}" if job.state == "queued" else job.message or job.name
            say(words, job.done, job.total)
            time.sleep(wait)
            wait = min(wait * 1.5, _POLL_S[1])
            try:
                job, heard = read_job(self.get(f"/jobs/{job.id}")), time.monotonic()
            except Unavailable:
                # Jobs outlive a restart of the service.
                if time.monotonic() - heard > _SILENCE_S:
                    raise
        if job.state == "cancelled":
            raise Cancelled(f"the job {job.id} was cancelled", job=job.id)
        if job.state == "failed":
            raise JobError(job.error, code=job.error_code or None, job=job.id)
        return job

    def _json(self, method: str, path: str, **options: Any) -> Any:
        with self._call(method, path, **options) as reply:
            body = self._read(reply)
        try:
            return json.loads(body)
        except ValueError as error:
            message = f"{self.url} does not answer as a MedHeart service does: no JSON from {path}"
            raise MedHeartError(message, code="bad_reply") from error

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        data: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HTTPResponse:
        pairs = {name: value for name, value in (query or {}).items() if value is not None}
        words = urlencode({k: str(v).lower() if isinstance(v, bool) else v for k, v in pairs.items()}, doseq=True)
        address = self.url + PREFIX + path + (f"?{words}" if words else "")
        own = {**self._headers, **(headers or {})}
        # The constructor has made sure that the scheme is http or https.
        request = urllib.request.Request(address, data=data, headers=own, method=method)  # noqa: S310
        try:
            reply: HTTPResponse = self._opener.open(request, timeout=self._timeout_s)
        except urllib.error.HTTPError as error:
            with error:
                raise self._error(error) from error
        except (OSError, HTTPException) as error:
            raise self._silent(error) from error
        return reply

    def _read(self, reply: HTTPResponse, size: int | None = None) -> bytes:
        try:
            return reply.read(size)
        except (OSError, HTTPException) as error:
            raise self._silent(error) from error

    def _silent(self, error: Exception) -> Unavailable:
        reason = getattr(error, "reason", error)
        return Unavailable(f"no MedHeart service answers at {self.url}: {reason}", url=self.url)

    def _error(self, error: urllib.error.HTTPError) -> MedHeartError:
        try:
            problem = json.loads(error.read(_CHUNK))
            detail, code = str(problem["detail"]), problem.get("code")
        except (OSError, HTTPException, ValueError, KeyError, TypeError, AttributeError):
            detail, code = f"{self.url} answers HTTP {error.code} {error.reason}, not as a MedHeart service does", None
        kind = _ERRORS.get(error.code, MedHeartError)
        text = f"{detail}{_WORDS.get(error.code, '')}"
        return kind(text, code=code if isinstance(code, str) else None, status=error.code)


def read_job(data: dict[str, Any]) -> Job:
    """Read a job; a newer service may say more of it than is known here."""
    return Job(**{name: data[name] for name in Job.__dataclass_fields__ if name in data})


def _pieces(stream: IO[bytes], size: int, say: Told) -> Iterator[bytes]:
    done = 0
    while piece := stream.read(_CHUNK):
        yield piece
        done += len(piece)
        say("upload", done, size)


def _check_whole(headers: Message, size: int, target: Path) -> None:
    declared = headers.get("Content-Length")
    if declared is not None and int(declared) != size:
        raise Unavailable(f"{target}: the download ended after {size} of {declared} bytes", code="truncated")
