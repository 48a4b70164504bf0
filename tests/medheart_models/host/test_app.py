"""The wire itself, spoken by hand."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from medheart import Volume
from medheart.wire.frame import pack_frame, unpack_frame
from medheart_models.host.app import Parts, make_app
from medheart_models.host.images import ImageStore
from medheart_models.host.scheduler import Scheduler


@pytest.fixture
def http(host: Any) -> Iterator[httpx.Client]:
    with host.http() as client:
        yield client


def frame(volume: Volume) -> bytes:
    return b"".join(pack_frame(volume.array, volume.geometry))


def ask(volume: Volume, **changes: Any) -> dict[str, Any]:
    return {"task": "tiny", "inputs": [{"digest": volume.digest, "modality": "MR", "meta": volume.meta}], **changes}


def test_a_request_step_by_step(http: httpx.Client, tiny: ModuleType) -> None:
    volume = tiny.bright_cube(seed=20)
    image = f"/images/{volume.digest}"
    assert http.head(image).status_code == 404
    assert http.put(image, content=frame(volume)).status_code == 201
    assert http.head(image).status_code == 200
    assert http.put(image, content=frame(volume)).status_code == 200
    reply = http.post("/segment", json=ask(volume))
    assert reply.status_code == 202
    path = f"/segment/{reply.json()['id']}"
    state = http.get(path, params={"after": reply.json()["revision"], "wait": 5}).json()
    while state["state"] in {"queued", "running"}:
        state = http.get(path, params={"after": state["revision"], "wait": 5}).json()
    assert state["state"] == "done", state
    labels, geometry, header = unpack_frame(http.get(f"{path}/result").content)
    assert geometry == volume.geometry
    assert header["counts"] == {str(value): int((labels == value).sum()) for value in np.unique(labels) if value}
    assert header["schema"]["id"] == "hippocampus"
    assert http.delete(path).status_code == 204
    assert http.get(path).status_code == 404


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_host_whose_inference_thread_is_gone_is_not_ready(tiny: ModuleType) -> None:
    class Deadly:
        def load(self, task: Any) -> Any:
            raise KeyboardInterrupt

    images = ImageStore(1 << 20)
    scheduler = Scheduler(Deadly(), images, warm=[tiny.TINY])  # type: ignore[arg-type]
    with TestClient(make_app(Parts(images, scheduler, tiny.load_task, dict))) as client:
        until = time.monotonic() + 5
        while client.get("/readyz").status_code == 200:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert client.get("/readyz").json() == {"status": "broken"}
        assert client.get("/livez").status_code == 200


def test_a_body_of_another_image_is_not_kept(http: httpx.Client, tiny: ModuleType) -> None:
    digest = hashlib.sha256(b"another").hexdigest()
    reply = http.put(f"/images/{digest}", content=frame(tiny.bright_cube(seed=21)))
    assert (reply.status_code, reply.json()["code"]) == (422, "digest_mismatch")
    assert http.head(f"/images/{digest}").status_code == 404


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes"),
        (b"MHF1\xff\xff\xff\xff", "does not begin"),
        (b"MHF1\x02\x00\x00\x00[]", "not a JSON object"),
        (b"MHF1\x02\x00\x00\x00{}", "lacks"),
    ],
)
def test_a_body_that_is_no_frame_is_refused(http: httpx.Client, content: bytes, message: str) -> None:
    reply = http.put("/images/0", content=content)
    assert (reply.status_code, reply.json()["code"]) == (400, "bad_frame")
    assert message in reply.json()["message"]


def test_an_image_beyond_the_limit_is_refused_before_it_is_read(host: Any) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(host.settings.host_socket))
        connection.sendall(b"PUT /images/0 HTTP/1.1\r\nHost: host\r\nContent-Length: 1099511627776\r\n\r\n")
        reply = b""
        while b"too_large" not in reply and (part := connection.recv(4096)):  # Head and body come apart at times.
            reply += part
    assert reply.startswith(b"HTTP/1.1 413")
    assert b"too_large" in reply


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"task": "none"}, 404, "unknown_task"),
        ({"inputs": [{"digest": "0" * 64}]}, 404, "unknown_image"),
        ({"inputs": []}, 422, "task_unfit"),
        ({"inputs": [{}]}, 400, "bad_request"),
        ({"inputs": 5}, 400, "bad_request"),
        ({"inputs": [{"digest": "0", "meta": []}]}, 400, "bad_request"),
        ({"priority": "urgent"}, 400, "bad_request"),
    ],
)
def test_a_bad_request_is_named(
    http: httpx.Client, tiny: ModuleType, change: dict[str, Any], status: int, code: str
) -> None:
    reply = http.post("/segment", json=ask(tiny.bright_cube(), **change))
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert reply.json()["message"]


def test_what_is_not_json_or_not_there(http: httpx.Client) -> None:
    assert http.post("/segment", content=b"{").json()["code"] == "bad_request"
    for method, path in [("GET", "/segment/0"), ("DELETE", "/segment/0"), ("GET", "/segment/0/result")]:
        reply = http.request(method, path)
        assert (reply.status_code, reply.json()["code"]) == (404, "unknown_request")
    assert http.get("/nothing").json() == {"code": "http", "message": "Not Found", "kind": "MedHeartError"}


def test_info_says_what_is_loaded(http: httpx.Client) -> None:
    info = http.get("/info").json()
    assert info["tasks"] == ["tiny", "tiny-slow", "tiny-unexported"]
    assert info["networks"]["tiny"] == "openvino:cpu"
    assert "not exported yet" in info["networks"]["tiny-unexported"]
    assert info["queue"]["capacity"] == 4
    assert 0 <= info["memory"]["images_bytes"] <= info["memory"]["images_limit"]
    assert http.get("/readyz").status_code == 200
