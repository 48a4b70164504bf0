"""What jobs left behind is cleared away, what is still needed is not."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from medheart.settings import Settings
from medheart.wire import service as wire
from medheart_jobs import Jobs
from medheart_work.fine_tuning import _data_folder
from medheart_work.sweeping import sweep

HOUR_S = 3600


@pytest.fixture
def jobs(settings: Settings) -> Iterator[Jobs]:
    with Jobs(settings.jobs_url) as opened:
        yield opened


def left(folder: Path, *, hours: float) -> Path:
    """Make a folder with a file in it, as if that many hours ago."""
    folder.mkdir(parents=True)
    (folder / "image.dcm").write_bytes(b"identified")
    for path in (folder / "image.dcm", folder):
        os.utime(path, (time.time() - hours * HOUR_S,) * 2)
    return folder


def test_uploads_that_no_job_waits_for_are_removed_after_an_hour(settings: Settings, jobs: Jobs) -> None:
    uploads = settings.home / "uploads"
    queued, cancelled = left(uploads / "queued", hours=30), left(uploads / "cancelled", hours=2)
    unknown, crashed = left(uploads / "unknown", hours=2), left(uploads / ".receiving-x1", hours=2)
    young = left(uploads / "young", hours=0.5)
    growing = left(uploads / ".receiving-x2", hours=2)
    os.utime(growing / "image.dcm")
    jobs.enqueue(wire.BUNDLE_IMPORT, {"upload": queued.name, "sha256": ""})
    jobs.cancel(jobs.enqueue(wire.BUNDLE_IMPORT, {"upload": cancelled.name, "sha256": ""}))
    assert set(sweep(settings, jobs)) == {cancelled, unknown, crashed}
    assert set(uploads.iterdir()) == {queued, young, growing}
    assert sweep(settings, jobs) == []


def test_results_are_kept_for_a_day_and_while_their_job_goes_on(settings: Settings, jobs: Jobs) -> None:
    results = settings.home / "results"
    fetchable, forgotten = left(results / "fetchable", hours=23), left(results / "forgotten", hours=25)
    working = left(results / "working", hours=25)
    jobs.enqueue(wire.EXPORT, {"name": "study-1", "folder": working.name})
    assert sweep(settings, jobs) == [forgotten]
    assert set(results.iterdir()) == {fetchable, working}


def test_images_of_a_training_whose_process_was_killed_are_removed(settings: Settings, jobs: Jobs) -> None:
    tasks = settings.home / "training" / "hippocampus"
    killed = left(tasks / "run-1" / "data", hours=0)
    (tasks / "run-1" / "train.log").touch()
    with _data_folder(tasks / "run-2") as held:
        assert sweep(settings, jobs) == [killed]
        assert held.is_dir()
    assert (tasks / "run-1" / "train.log").exists()
    assert not held.exists()


def test_an_empty_home_has_nothing_to_clear(settings: Settings, jobs: Jobs) -> None:
    assert sweep(settings, jobs) == []
