"""A folder of cases that a client sent: what is done is not done again after a crash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medheart.schema import load_schema
from medheart.settings import Settings
from medheart.task import Task
from medheart.volume import LabelMap, Volume
from medheart.wire.bundle import BUNDLE, write_bundle
from medheart_models.predict import Prediction
from medheart_work.bundles import _BundleWork, _placed
from medheart_work.segment_cases import Segmenting


class Killed(BaseException):
    """The worker ends here."""


class DyingEngine:
    """Finds nothing in anything, and ends with its process at the case of that number."""

    def __init__(self, dies_at: int) -> None:
        self.done, self._dies_at = 0, dies_at

    def segment(self, volumes: Sequence[Volume], task: Task, **_: Any) -> Prediction:
        if self.done == self._dies_at:
            raise Killed
        self.done += 1
        grid = volumes[0].geometry
        labels = LabelMap(np.zeros(grid.shape, np.uint8), grid, load_schema(task.schema_id))
        return Prediction(labels, task=task.id, origin=task.origin, status=task.status, device="none", seconds={})


@pytest.fixture
def upload(settings: Settings, oblique: Volume, nifti: Callable[[Volume, str], Path], tmp_path: Path) -> Path:
    """A folder of four images as a client sends it."""
    (tmp_path / "cases").mkdir()
    for n in range(4):
        nifti(oblique, f"{n}.nii").rename(tmp_path / "cases" / f"case-{n}.nii")
    folder = settings.home / "uploads" / "sent"
    folder.mkdir(parents=True)
    write_bundle(folder / BUNDLE, [tmp_path / "cases"])
    return folder


def test_cases_that_are_done_are_not_done_again_after_a_crash(settings: Settings, upload: Path) -> None:
    work, dying, living = _BundleWork(settings), DyingEngine(2), DyingEngine(99)
    with pytest.raises(Killed), _placed(upload) as placed:
        work._segment_all(Segmenting(dying, lambda *_: None), placed, "sent", "hippocampus")
    with _placed(upload) as placed:
        folder, results = work._segment_all(Segmenting(living, lambda *_: None), placed, "sent", "hippocampus")
    assert (dying.done, living.done) == (2, 2)
    names = [f"case-{n}.nii.gz" for n in range(4)]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert [result["path"] for result in results] == [str(folder / name) for name in names]


def test_an_upload_that_is_sent_anew_is_done_anew(settings: Settings, upload: Path) -> None:
    work, engine = _BundleWork(settings), DyingEngine(99)
    stale = settings.home / "results" / "sent" / "stale.nii.gz"
    stale.parent.mkdir(parents=True)
    stale.touch()
    with _placed(upload) as placed:
        work._segment_all(Segmenting(engine, lambda *_: None), placed, "sent", "hippocampus")
    assert engine.done == 4
    assert not stale.exists()
