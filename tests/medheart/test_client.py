"""The client against a real HTTP server that speaks MONAI Label's wire format."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from medheart.client import LabelServer, Progress
from medheart.errors import Busy, Cancelled, MedHeartError, NotFound, Unavailable

LABEL = bytes(range(256)) * 40 + b"\r\n--boundary-like\r\n\n\r\x00"


class WireServer(ThreadingHTTPServer):
    """Answers with the bytes that a MONAI Label server sends, and keeps what it was asked."""

    seen: list[tuple[str, str, bytes]]
    slow_s = 0.0
    stock = False
    deleted: threading.Event


class Handler(BaseHTTPRequestHandler):
    server: WireServer

    def log_message(self, *args: object) -> None:
        """Keep the test's output quiet."""

    def reply(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, body))
        if self.path.startswith("/infer/unknown"):
            self.reply(404, "application/json", b'{"detail": "no model unknown", "code": "not_found"}')
        elif self.path.startswith("/infer/full"):
            self.reply(429, "application/json", b'{"detail": "queue is full"}')
        elif self.path.startswith("/infer/page"):
            self.reply(200, "application/json", b"<html>please log in</html>")
        elif self.path.startswith("/infer/listed"):
            self.reply(500, "application/json", b'["one", "two"]')
        elif self.path.startswith("/activelearning/"):
            self.reply(200, "application/json", b'"a text"')
        elif self.path.startswith("/infer/"):
            self.server.deleted.wait(self.server.slow_s)
            head = b'--XX\r\nContent-Disposition: form-data; name="params"\r\nContent-Type: application/json\r\n\r\n'
            params = json.dumps({"label_names": {"nodule": 1}}).encode()
            file = b'\r\n--XX\r\nContent-Disposition: form-data; name="image"; filename="x.nii.gz"\r\n'
            kind = b"Content-Type: application/octet-stream\r\n\r\n"
            self.reply(200, "multipart/form-data; boundary=XX", head + params + file + kind + LABEL + b"\r\n--XX--\r\n")
        elif self.path == "/datastore/image?image=absent":
            self.reply(404, "application/json", b"{}")
        elif self.path.startswith("/medheart/requests/") and self.server.stock:
            self.reply(404, "application/json", b'{"detail": "Not Found"}')
        elif self.path.startswith("/medheart/requests/"):
            if self.command == "DELETE":
                self.server.deleted.set()
            self.reply(200, "application/json", b'{"state": "running", "done": 3, "total": 9, "seconds_left": 1.5}')
        else:
            self.reply(200, "application/json", b'{"image": "case1", "name": "wire"}')

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer


@pytest.fixture
def wire() -> Iterator[WireServer]:
    server = WireServer(("127.0.0.1", 0), Handler)
    server.seen, server.deleted = [], threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def client(wire: WireServer) -> LabelServer:
    return LabelServer(f"http://127.0.0.1:{wire.server_port}", client_id="tester", timeout_s=5)


def test_infer_returns_params_and_the_exact_bytes_of_the_file(client: LabelServer) -> None:
    result = client.infer("lung-nodule", "case1")
    assert result.params == {"label_names": {"nodule": 1}}
    assert result.label == LABEL


def test_infer_reports_progress_while_it_waits(client: LabelServer, wire: WireServer) -> None:
    wire.slow_s = 0.8
    seen: list[Progress] = []
    client.infer("lung-nodule", "case1", progress=seen.append)
    assert seen
    assert seen[0] == Progress("running", done=3, total=9, seconds_left=1.5)


def test_cancel_reaches_the_server_and_raises(client: LabelServer, wire: WireServer) -> None:
    wire.slow_s = 10
    start = time.monotonic()
    with pytest.raises(Cancelled):
        client.infer("lung-nodule", "case1", cancelled=lambda: True)
    assert wire.deleted.is_set()
    assert time.monotonic() - start < 5


def test_a_stock_server_cannot_cancel_but_the_wait_ends(client: LabelServer, wire: WireServer) -> None:
    wire.slow_s, wire.stock = 3, True
    start = time.monotonic()
    with pytest.raises(Cancelled):
        client.infer("lung-nodule", "case1", cancelled=lambda: True)
    assert time.monotonic() - start < 2.5
    assert client.request_state("any") is None


def test_whether_an_image_is_there(client: LabelServer) -> None:
    assert client.has_image("case1")
    assert not client.has_image("absent")


def test_an_upload_says_what_the_file_does_not(client: LabelServer, wire: WireServer, tmp_path: Path) -> None:
    path = tmp_path / "image.nrrd"
    path.write_bytes(b"voxels")
    client.upload_image(path, image_id="case1", params={"modality": "MR"})
    method, target, body = wire.seen[-1]
    assert (method, target) == ("PUT", "/datastore/image?image=case1")
    assert b'"modality": "MR"' in body


@pytest.mark.parametrize(("model", "kind"), [("unknown", NotFound), ("full", Busy)])
def test_http_errors_become_named_errors(client: LabelServer, model: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        client.infer(model, "case1")


def test_replies_that_are_no_answer_are_named(client: LabelServer) -> None:
    """A proxy may answer in the server's place."""
    for ask in (lambda: client.infer("page", "case1"), client.next_sample):
        with pytest.raises(MedHeartError) as caught:
            ask()
        assert caught.value.code == "bad_reply"
    with pytest.raises(MedHeartError, match="HTTP 500"):
        client.infer("listed", "case1")


def test_a_silent_server_is_unavailable_and_named() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9 "):
        LabelServer("http://127.0.0.1:9", timeout_s=1).info()


def test_submit_sends_the_label_and_its_names(client: LabelServer, wire: WireServer, tmp_path: Path) -> None:
    path = tmp_path / "label.nii.gz"
    path.write_bytes(LABEL)
    client.submit_label("case1", path, label_info=[{"name": "nodule", "idx": 1}])
    method, target, body = wire.seen[-1]
    assert (method, target) == ("PUT", "/datastore/label?image=case1&tag=final")
    assert LABEL in body
    assert b'"label_info": [{"name": "nodule", "idx": 1}]' in body
    assert b'"client_id": "tester"' in body
