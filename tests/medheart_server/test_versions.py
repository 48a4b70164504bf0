"""Label versions over REST: reading, comparing, restoring, events, files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medheart.schema import load_schema
from medheart_io import read_labels
from medheart_store import Store


def test_study_shows_series_and_versions(service) -> None:
    study = service.get(f"/studies/{service.study}").json()
    (series,) = study["series"]
    assert series["id"] == service.series
    assert series["versions"][0]["id"] == service.version.id
    assert study["patient"].startswith("P-")
    assert "REAL-ID-7" not in str(study), "the patient's own identifier stays inside"


def test_search_finds_by_part_of_the_id(service) -> None:
    assert service.get("/studies", params={"q": service.study[:9]}).json()["studies"]
    assert service.get("/studies", params={"q": "no such text"}).json() == {"studies": [], "total": 0}


def test_the_list_counts_versions_and_comes_in_parts(service) -> None:
    (line,) = service.get("/studies", params={"q": service.study}).json()["studies"]
    (series,) = service.get(f"/studies/{service.study}").json()["series"]
    assert line["versions"] == len(series["versions"]) > 0
    assert "versions" not in line["series"][0]
    total = service.get("/studies").json()["total"]
    parts = [service.get("/studies", params={"limit": 1, "offset": n}).json() for n in range(total + 1)]
    assert [len(part["studies"]) for part in parts] == [1] * total + [0]
    assert {part["total"] for part in parts} == {total}
    assert len({part["studies"][0]["id"] for part in parts[:-1]}) == total
    assert service.get("/studies", params={"limit": 0}).status_code == 422


@pytest.mark.parametrize("ending", ["nii.gz", "seg.nrrd", "nrrd", "mha"])
def test_label_file_holds_every_voxel(service, tmp_path: Path, ending: str) -> None:
    reply = service.get(f"/versions/{service.version.id}/labels", params={"format": ending})
    assert reply.status_code == 200
    path = tmp_path / f"label.{ending}"
    path.write_bytes(reply.content)
    with Store.open(service.settings.store_dir) as store:
        labels = store.labels(service.version.id)
    back = read_labels(path, load_schema("hippocampus"), like=labels.geometry)
    assert np.array_equal(back.array, labels.array)


def test_restore_makes_a_draft_and_diff_is_empty(service) -> None:
    restored = service.post(f"/versions/{service.version.id}/restore", json={"note": "again"})
    assert restored.status_code == 201
    made = restored.json()
    assert made["parents"] == [service.version.id] or made["number"] > 2
    assert made["state"] == "draft"
    assert service.get(f"/series/{service.series}/versions").json()["head"] != made["id"]
    service.post(f"/versions/{made['id']}/events", json={"kind": "state", "value": "submitted"}).raise_for_status()
    assert service.get(f"/series/{service.series}/versions").json()["head"] == made["id"]
    assert service.get(f"/versions/{service.version.id}/diff/{made['id']}").json()["changed"] == 0


def test_events_are_appended(service) -> None:
    before = len(service.get(f"/versions/{service.version.id}/events").json()["events"])
    reply = service.post(f"/versions/{service.version.id}/events", json={"kind": "note", "value": "边界不清"})
    assert reply.status_code == 201
    events = service.get(f"/versions/{service.version.id}/events").json()["events"]
    assert len(events) == before + 1
    assert (events[-1]["value"], events[-1]["author"]) == ("边界不清", "local")


def test_a_research_result_says_so_in_a_downloaded_file(service, tmp_path: Path) -> None:
    with Store.open(service.settings.store_dir) as store:
        labels = replace(store.labels(service.version.id), schema=load_schema("lung-nodule"))
        made = store.add_version(
            labels, image=service.series, author="a", origin="lung-nodule@1", state="draft", meta={"status": "research"}
        )
    path = tmp_path / "label.nii.gz"
    path.write_bytes(service.get(f"/versions/{made.id}/labels").content)
    assert b"research only" in nibabel.load(path).header["descrip"].tobytes()


def test_a_state_that_does_not_exist_is_refused(service) -> None:
    reply = service.post(f"/versions/{service.version.id}/events", json={"kind": "state", "value": "perfect"})
    assert reply.status_code == 400
    assert "perfect" in reply.json()["detail"]


def test_measurements_are_made_by_a_job(service) -> None:
    path = f"/versions/{service.version.id}/measurements"
    first = service.get(path)
    if first.status_code == 404:
        assert first.json()["code"] == "not_made"
    job = service.post(path)
    assert job.status_code == 202
    assert job.headers["Location"].endswith(job.json()["id"])
    assert service.wait(job.json())["state"] == "succeeded"
    table = service.get(path).json()
    volumes = {label["name"]: label["measurements"][1]["value"] for label in table["labels"]}
    assert volumes["hippocampus_anterior"] == pytest.approx(3 * 10 * 6 * 2.0 / 1000)


def test_unknown_things_are_404_problems(service) -> None:
    for path in ("/versions/nothing", "/studies/nothing", "/jobs/nothing", "/series/nothing/versions", "/documents/x"):
        reply = service.get(path)
        assert reply.status_code == 404, path
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["code"] == "not_found"


def test_dicom_seg_is_made_by_a_job(service) -> None:
    import io

    import pydicom

    path = f"/versions/{service.version.id}/labels"
    service.wait(service.post(path).json())
    reply = service.get(path, params={"format": "dcm"})
    assert reply.headers["content-type"] == "application/dicom"
    seg = pydicom.dcmread(io.BytesIO(reply.content))
    assert seg.Modality == "SEG"


def test_report_is_made_by_a_job_once_a_key(service) -> None:
    path = f"/versions/{service.version.id}/report"
    assert service.get(path, params={"lang": "zh"}).json()["code"] == "not_made"
    first = service.post(path, params={"lang": "zh"}, headers={"Idempotency-Key": "report-1"}).json()
    again = service.post(path, params={"lang": "zh"}, headers={"Idempotency-Key": "report-1"}).json()
    assert first["id"] == again["id"] == "report-1"
    assert service.wait(first, 120)["state"] == "succeeded"
    page = service.get(path, params={"lang": "zh"})
    assert "海马" in page.text
    assert "sandbox" in page.headers["Content-Security-Policy"]
    pdf = service.get(path, params={"lang": "zh", "format": "pdf"})
    assert pdf.content.startswith(b"%PDF")
    documents = service.get(f"/versions/{service.version.id}").json()["documents"]
    views = {one["meta"]["view"] for one in documents if one["kind"] == "picture"}
    assert views >= {"axial", "coronal", "sagittal"}


def test_an_image_without_labels_has_pictures(service) -> None:
    reply = service.get(f"/series/{service.series}/picture", params={"plane": "coronal"})
    assert reply.headers["content-type"] == "image/png"
    assert reply.content.startswith(b"\x89PNG")
    assert service.get(f"/series/{service.series}/picture", params={"plane": "diagonal"}).status_code == 422
