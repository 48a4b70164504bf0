"""Uploads and the jobs they become."""

from __future__ import annotations

import io
import uuid
import zipfile
from pathlib import Path


def test_uploaded_series_becomes_a_study(service, make_series, tmp_path: Path) -> None:
    reply = service.upload(make_series(tmp_path / "new", seed=2, patient="B2"))
    assert reply.status_code == 202
    job = service.wait(reply.json())
    assert job["state"] == "succeeded", job
    (case,) = job["result"]["cases"]
    assert case["status"] == "accepted"
    assert service.get(f"/studies/{case['study']}").json()["series"][0]["modality"] == "MR"
    assert not list((service.settings.home / "uploads").iterdir())


def test_a_zip_and_rejected_files_get_their_answers(service, make_series, tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        for path in make_series(tmp_path / "zipped", seed=3, patient="C3").iterdir():
            target.write(path, f"IMAGES/{path.name}")
        target.writestr("broken.nii.gz", b"not an image")
    job = service.wait(service.post("/studies", files={"files": ("study.zip", archive.getvalue())}).json())
    answers = {case["status"] for case in job["result"]["cases"]}
    assert answers == {"accepted", "rejected"}
    rejected = next(case for case in job["result"]["cases"] if case["status"] == "rejected")
    assert "broken.nii.gz" in rejected["path"]
    assert rejected["message"]


def test_names_that_lead_outside_are_not_used(service, make_series, tmp_path: Path) -> None:
    files = [
        ("files", (f"../../../../tmp/evil/{path.name}", path.read_bytes()))
        for path in sorted(make_series(tmp_path / "names", seed=4, patient="D4").iterdir())
    ]
    job = service.wait(service.post("/studies", files=files).json())
    assert job["result"]["cases"][0]["status"] == "accepted"
    assert not Path("/tmp/evil").exists()


def test_one_key_is_one_job(service, make_series, tmp_path: Path) -> None:
    folder = make_series(tmp_path / "key", seed=5, patient="E5")
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first = service.upload(folder, headers=key).json()
    service.wait(first)
    again = service.upload(folder, headers=key)
    assert again.status_code == 202
    assert again.json()["id"] == first["id"]
    other = service.upload(make_series(tmp_path / "other", seed=6, patient="E5"), headers=key)
    assert other.status_code == 422
    assert other.json()["code"] == "key_reused"


def test_an_empty_form_is_refused(service) -> None:
    reply = service.post("/studies", data={"note": "no file"}, files={"x": ("", b"")})
    assert reply.status_code == 400
    assert "files" in reply.json()["detail"]


def test_segmenting_names_what_is_unknown(service) -> None:
    assert service.post("/studies/nothing/segment").status_code == 404
    reply = service.post(f"/studies/{service.study}/segment", params={"task": "no-such-task"})
    assert reply.status_code == 422
    assert "no-such-task" in reply.json()["detail"]


def test_jobs_are_listed_and_a_finished_one_cannot_be_cancelled(service, make_series, tmp_path: Path) -> None:
    job = service.wait(service.upload(make_series(tmp_path / "list", seed=7, patient="F6")).json())
    assert job["id"] in [one["id"] for one in service.get("/jobs").json()["jobs"]]
    import requests

    reply = requests.delete(f"{service.url}/jobs/{job['id']}", timeout=30)
    assert reply.status_code == 200
    assert reply.json()["state"] == "succeeded"
