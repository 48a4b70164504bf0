"""The client of the service against a real HTTP server that answers as a service does, or does not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

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
from medheart.service_client import Service, label_ending
from medheart.service_http import ServiceConnection
from medheart.wire.service import problem

CONTENT = bytes(range(256)) * 5000


class Answering(ThreadingHTTPServer):
    """Keeps what it was asked; `states` are those of the job, one for each look at it."""

    seen: list[tuple[str, str, dict[str, str], bytes]]
    states: list[dict[str, Any]]


class Handler(BaseHTTPRequestHandler):
    server: Answering

    def log_message(self, *args: object) -> None:
        """Keep the test's output quiet."""

    def reply(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        path = self.path.removeprefix("/api/v1")
        if path.startswith("/status/"):
            status = int(path.removeprefix("/status/"))
            self.reply(status, json.dumps(problem(status, f"the word for {status}", code=f"code_{status}")).encode())
        elif path == "/file":
            self.reply(200, CONTENT, "application/octet-stream")
        elif path == "/short":
            self.reply(200, b"", "application/octet-stream", **{"Content-Length": "1000"})
        elif path == "/page":
            self.reply(200, b"<html>", "text/html")
        elif path == "/lost":
            self.reply(404, b"<html>nothing here</html>", "text/html")
        elif path == "/away":
            self.reply(307, b"", Location="http://elsewhere.example/api/v1/file")
        elif path == "/bundles":
            self.reply(200, b'{"max_bytes": 1000}')
        elif path.startswith("/jobs/") or self.command == "POST":
            job = {"id": self.headers.get("Idempotency-Key", "job"), "name": "measure", "news": "of a later version"}
            states = self.server.states
            self.reply(200, json.dumps({**job, **(states.pop(0) if len(states) > 1 else states[0])}).encode())
        else:
            self.reply(200, json.dumps({"path": self.path}).encode())

    do_GET = do_POST = do_DELETE = answer


@pytest.fixture
def server() -> Iterator[Answering]:
    with Answering(("127.0.0.1", 0), Handler) as answering:
        answering.seen, answering.states = [], [{"state": "succeeded", "result": {"n": 1}}]
        thread = threading.Thread(target=answering.serve_forever, args=(0.01,))
        thread.start()
        yield answering
        answering.shutdown()
        thread.join()


def url_of(server: Answering) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture
def connection(server: Answering) -> ServiceConnection:
    return ServiceConnection(url_of(server) + "/", key="mh_key", timeout_s=10)


def test_requests_carry_the_key_and_the_query(server: Answering, connection: ServiceConnection) -> None:
    told = connection.get("/versions", name="病例", empty=None, flag=True, many=["a", "b"])
    assert told["path"] == "/api/v1/versions?name=%E7%97%85%E4%BE%8B&flag=true&many=a&many=b"
    assert server.seen[0][2]["Authorization"] == "Bearer mh_key"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, NotSignedIn),
        (403, NotAllowed),
        (404, NotFound),
        (409, Conflict),
        (413, MedHeartError),
        (422, MedHeartError),
        (429, Busy),
        (500, MedHeartError),
        (503, Unavailable),
    ],
)
def test_problems_become_errors_with_their_words(
    connection: ServiceConnection, status: int, kind: type[MedHeartError]
) -> None:
    with pytest.raises(kind, match=f"the word for {status}") as caught:
        connection.get(f"/status/{status}")
    assert type(caught.value) is kind
    assert caught.value.code == f"code_{status}"
    assert "\n" not in caught.value.message
    assert ("MEDHEART_KEY" in caught.value.message) == (status == 401)


@pytest.mark.parametrize("path", ["/page", "/lost"])
def test_what_is_no_service_is_said_to_be_none(connection: ServiceConnection, path: str) -> None:
    with pytest.raises(MedHeartError, match="as a MedHeart service does"):
        connection.get(path)


def test_nobody_there() -> None:
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:1:"):
        ServiceConnection("http://127.0.0.1:1").get("/tasks")


def test_a_redirect_is_not_followed_with_the_key(server: Answering, connection: ServiceConnection) -> None:
    with pytest.raises(MedHeartError, match="307"):
        connection.get("/away")
    assert len(server.seen) == 1


@pytest.mark.parametrize("url", ["", "host:8080", "ftp://host", "http://", "http://host/?q=1"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(MedHeartError, match="address like") as caught:
        ServiceConnection(url)
    assert caught.value.code == "usage"


def test_downloads_appear_whole_or_not_at_all(connection: ServiceConnection, tmp_path: Path) -> None:
    assert connection.download("/file", tmp_path / "新" / "file.bin").read_bytes() == CONTENT
    for path in ("/short", "/status/404"):
        with pytest.raises(MedHeartError):
            connection.download(path, tmp_path / "other.bin")
    assert [path.name for path in tmp_path.iterdir()] == ["新"]


def test_an_upload_is_streamed_whole_and_its_job_followed(
    server: Answering, connection: ServiceConnection, tmp_path: Path
) -> None:
    running = {"state": "running", "done": 1, "total": 2, "message": "half"}
    server.states = [{"state": "queued"}, running, {"state": "succeeded", "result": {"n": 2}}]
    upload, told = tmp_path / "bundle.zip", []
    upload.write_bytes(CONTENT)
    job = connection.run("/bundles/measure", upload=upload, tell=lambda *words: told.append(words), task="x")
    assert job.result == {"n": 2}
    method, path, headers, body = server.seen[0]
    assert (method, path, body) == ("POST", "/api/v1/bundles/measure?task=x", CONTENT)
    assert headers["Content-Length"] == str(len(CONTENT))
    assert told[-1] == ("half", 1, 2)
    assert ("upload", len(CONTENT), len(CONTENT)) in told


def test_a_job_that_fails_or_is_cancelled_raises(server: Answering, connection: ServiceConnection) -> None:
    server.states = [{"state": "failed", "error": "no such label", "error_code": "schema_mismatch"}]
    with pytest.raises(JobError, match="no such label") as caught:
        connection.run("/bundles/measure")
    assert caught.value.code == "schema_mismatch"
    server.states = [{"state": "cancelled"}]
    with pytest.raises(Cancelled):
        connection.run("/bundles/measure")


def test_an_interrupt_cancels_the_job_on_the_service(server: Answering, connection: ServiceConnection) -> None:
    server.states = [{"state": "running"}]

    def interrupt(_words: str, _done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        connection.run("/bundles/measure", tell=interrupt)
    key = server.seen[0][2]["Idempotency-Key"]
    assert server.seen[-1][:2] == ("DELETE", f"/api/v1/jobs/{key}")


def test_files_that_are_too_large_are_not_sent(server: Answering, tmp_path: Path) -> None:
    (tmp_path / "label.nii.gz").write_bytes(bytes(2000))
    with pytest.raises(MedHeartError, match=r"label\.nii\.gz: 2000 bytes, at most 1000") as caught:
        Service(url_of(server)).measure_file(tmp_path / "label.nii.gz")
    assert caught.value.code == "too_large"
    assert [one[0] for one in server.seen] == ["GET"]


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "C:\\evil"])
def test_a_service_cannot_choose_where_files_go(server: Answering, tmp_path: Path, name: str) -> None:
    server.states = [{"state": "succeeded", "result": {"folder": "f", "files": [name]}}]
    with pytest.raises(MedHeartError, match="leads elsewhere"):
        Service(url_of(server)).export("study-1", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_label_endings_are_told_apart() -> None:
    assert label_ending(Path("a.b.seg.nrrd")) == "seg.nrrd"
    assert label_ending(Path("a.nii")) == "nii"
    with pytest.raises(MedHeartError, match=r"label\.txt"):
        label_ending(Path("label.txt"))
