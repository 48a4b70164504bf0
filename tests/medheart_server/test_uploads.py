"""Uploads of jobs that wait: a service without a worker."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from medheart.settings import Settings
from medheart_server.app import create_app

FILES = [("files", ("a.nii.gz", b"first"))]
KEY = {"Idempotency-Key": "asked-twice"}


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def client(settings) -> Iterator[TestClient]:
    """A client of a service whose jobs stay queued."""
    with TestClient(create_app(settings), base_url="http://127.0.0.1/api/v1", client=("127.0.0.1", 5)) as client:
        yield client


def kept(settings) -> dict[str, tuple[int, bytes]]:
    """Return the files of uploads, each with what tells it from another of the same name."""
    found = (path for path in (settings.home / "uploads").rglob("*") if path.is_file())
    return {str(path.relative_to(settings.home)): (path.stat().st_ino, path.read_bytes()) for path in found}


@pytest.mark.parametrize("path", ["studies", "bundles/measure"])
def test_asking_twice_leaves_the_files_of_the_first_alone(settings, client, path) -> None:
    def ask(data: bytes = b"first", **params: str) -> tuple[int, dict[str, object]]:
        body = {"content": data} if path.startswith("bundles") else {"files": {"files": ("a.nii.gz", io.BytesIO(data))}}
        reply = client.post(path, headers=KEY, params=params, **body)
        return reply.status_code, reply.json()

    status, first = ask()
    files = kept(settings)
    assert (status, len(files)) == (202, 1)
    status, again = ask()
    assert (status, again["id"]) == (202, first["id"])
    assert kept(settings) == files
    status, other = ask(**({"task": "hippocampus"} if path.startswith("bundles") else {"one_study": "false"}))
    assert (status, other["code"]) == (422, "key_reused")
    assert kept(settings) == files, "the first job still needs them"
    status, other = ask(b"second")
    assert (status, other["code"]) == (422, "key_reused")
    assert kept(settings) == files
    assert not list((settings.home / "uploads").glob(".receiving-*"))


@pytest.mark.parametrize("path", ["session", "versions/x/events", "studies/x", "nothing"])
def test_only_uploads_may_be_large(client, path) -> None:
    reply = client.post(path, content=b"[" * (65 << 10))
    assert (reply.status_code, reply.json()["code"]) == (413, "too_large")

    def stream() -> Iterator[bytes]:
        for _ in range(65):
            yield b"[" * (1 << 10)

    assert client.post("session", content=stream()).json()["code"] == "too_large"


def test_uploads_may_be_large(client) -> None:
    for path in ("studies", "bundles/measure"):
        body = {"files": FILES} if path == "studies" else {"content": b"x" * (65 << 10)}
        assert client.post(path, **body).status_code == 202
