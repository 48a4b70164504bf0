"""Bundles, exports and the files of jobs over REST: what a service must refuse whoever asks."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
import requests

from medheart.schema import load_schema
from medheart.wire.bundle import LAYOUT, write_bundle
from medheart_io import read_labels


def a_bundle(files: dict[str, bytes], layout: object) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(LAYOUT, json.dumps(layout))
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def test_a_job_leaves_files_that_are_fetched_and_forgotten(service, tmp_path: Path) -> None:
    job = service.wait(service.post(f"/exports/{service.version.id}").json(), 120)
    assert job["state"] == "succeeded", job
    files = f"/jobs/{job['id']}/files"
    name = next(name for name in job["result"]["files"] if name.endswith(".nii.gz"))
    reply = service.get(f"{files}/{name}")
    assert "sandbox" in reply.headers["Content-Security-Policy"]
    (tmp_path / "label.nii.gz").write_bytes(reply.content)
    assert read_labels(tmp_path / "label.nii.gz", load_schema("hippocampus")).counts == service.version.counts
    home = service.settings.home / "results" / job["result"]["folder"]
    (home.parent / "secret").write_text("secret")
    for other in ("../secret", "..%2Fsecret", "other.txt", "%2Fetc%2Fpasswd", f"{name}/../../../secret"):
        reply = service.get(f"{files}/{other}")
        assert reply.status_code == 404, other
        assert "secret" not in reply.text.replace(other, "").replace("../secret", "")
    (home.parent / "secret").unlink()
    assert requests.delete(service.url + files, timeout=30).json()["removed"] == job["result"]["files"]
    assert not home.exists()
    assert service.get(f"{files}/{name}").json()["code"] == "no_file"


def test_a_job_without_files_says_so(service) -> None:
    job = service.wait(service.post(f"/versions/{service.version.id}/measurements").json())
    assert service.get(f"/jobs/{job['id']}/files/x").json()["code"] == "no_file"
    assert service.get("/jobs/nothing/files/x").status_code == 404


@pytest.mark.parametrize(
    "layout",
    [
        {"arguments": ["a"], "files": ["../../../evil"]},
        {"arguments": ["a"], "files": ["/tmp/evil"]},
        {"arguments": ["../../evil"], "files": ["a"]},
        {"arguments": ["a"], "links": ["../../evil"]},
        {"arguments": ["a"], "files": ["a", "b"]},
        {},
    ],
)
def test_a_bundle_that_leads_outside_fails_and_leaves_nothing(service, layout: dict[str, list[str]]) -> None:
    body = a_bundle({"000000": b"x"}, layout)
    job = service.wait(service.post("/bundles/import", data=body).json())
    assert (job["state"], job["error_code"]) == ("failed", "bad_bundle")
    assert str(service.settings.home) not in job["error"]
    assert not list(service.settings.home.rglob("*evil*"))
    assert not Path("/tmp/evil").exists()
    assert not list((service.settings.home / "uploads").iterdir())


def test_what_is_no_zip_fails_with_the_reason(service) -> None:
    job = service.wait(service.post("/bundles/measure", data=b"no zip at all").json())
    assert (job["state"], "zip" in job["error"].lower()) == ("failed", True)


def test_an_upload_is_forgotten_where_its_job_fails(service, tmp_path: Path) -> None:
    (tmp_path / "label.nii.gz").write_bytes(b"nothing")
    write_bundle(tmp_path / "b.zip", [tmp_path / "label.nii.gz"])
    job = service.wait(service.post("/bundles/measure", data=(tmp_path / "b.zip").read_bytes()).json())
    assert job["state"] == "failed"
    assert job["error"].startswith("argument-0/label.nii.gz") or job["error"].startswith("label.nii.gz")
    assert not list((service.settings.home / "uploads").iterdir())


def test_one_key_is_one_job(service, tmp_path: Path) -> None:
    (tmp_path / "label.nii.gz").write_bytes(b"nothing")
    write_bundle(tmp_path / "b.zip", [tmp_path / "label.nii.gz"])
    key, body = {"Idempotency-Key": "bundle-once"}, (tmp_path / "b.zip").read_bytes()
    first = service.post("/bundles/measure", data=body, headers=key).json()
    service.wait(first)
    assert service.post("/bundles/measure", data=body, headers=key).json()["id"] == first["id"]
    other = service.post("/bundles/measure", data=body + b" ", headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert not list((service.settings.home / "uploads").iterdir())


def test_options_are_checked_before_a_job_is_made(service) -> None:
    assert service.post("/bundles/measure", params={"task": "no-such"}, data=b"x").status_code == 422
    assert service.post("/bundles/segment", params={"format": "exe"}, data=b"x").status_code == 422
    assert service.post("/bundles/evaluate", data=b"x").status_code == 422
    assert service.post("/bundles/train", params={"task": "hippocampus", "epochs": 0}, data=b"x").status_code == 422
    assert service.get("/bundles").json()["max_bytes"] == 4 << 30


def test_versions_are_listed_by_name_or_all(service) -> None:
    for name in (service.study, service.series, None):
        found = service.get("/versions", params={"name": name}).json()["versions"]
        assert service.version.id in [version["id"] for version in found]
    assert service.get("/versions", params={"name": "nothing"}).status_code == 404


def test_tasks_are_described_with_their_labels(service) -> None:
    (task,) = [task for task in service.get("/tasks").json()["tasks"] if task["id"] == "hippocampus"]
    assert [label["value"] for label in task["labels"]] == [1, 2]
    assert service.get("/tasks/hippocampus").json() == task
    assert service.get("/tasks/nothing").status_code == 422
