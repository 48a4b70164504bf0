"""A job that is cancelled before any worker began it leaves nothing of what was sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from medheart.settings import Settings
from medheart_server.app import create_app


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[TestClient]:
    """A client of a service beside which no worker runs."""
    app = create_app(Settings(home=tmp_path / "home"))
    with TestClient(app, base_url="http://127.0.0.1:8080", client=("127.0.0.1", 5)) as client:
        yield client


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "once"}])
def test_an_upload_goes_with_its_job_whether_or_not_it_came_with_a_key(
    browser: TestClient, tmp_path: Path, headers: dict[str, str]
) -> None:
    uploads = tmp_path / "home" / "uploads"
    form = browser.post("/api/v1/studies", files=[("files", ("a.dcm", b"identified"))], headers=headers).json()
    other = browser.post("/api/v1/bundles/import", content=b"zip").json()
    assert len(list(uploads.iterdir())) == 2
    assert browser.delete(f"/api/v1/jobs/{form['id']}").json()["state"] == "cancelled"
    (left,) = uploads.iterdir()
    assert browser.delete(f"/api/v1/jobs/{other['id']}").json()["state"] == "cancelled"
    assert not left.exists()


def test_a_job_without_an_upload_is_cancelled_as_well(browser: TestClient) -> None:
    job = browser.post("/api/v1/exports/study-1").json()
    assert browser.delete(f"/api/v1/jobs/{job['id']}").json()["state"] == "cancelled"
    assert browser.delete("/api/v1/jobs/nothing").status_code == 404
