"""What is refused before anything starts, and which series a study is read with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from medheart.errors import ImageRejected, MedHeartError, TaskError
from medheart.settings import Settings
from medheart.volume import Volume
from medheart_io import write_dicom_series
from medheart_models.reasons import Reason
from medheart_store import Store
from medheart_work.importing import import_paths
from medheart_work.report_content import content_unsegmented
from medheart_work.segmenting import _decisive, plan_study
from medheart_work.thread import check_request


def test_request_that_can_be_done_passes(dicom: Path, tmp_path: Path) -> None:
    check_request([dicom], tmp_path / "new" / "out", task_id="hippocampus", choices=())
    assert list((tmp_path / "new" / "out").iterdir()) == []


def test_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageRejected, match="nothing_here"):
        check_request([tmp_path / "nothing_here"], tmp_path, task_id=None, choices=())


def test_unknown_task_lists_the_known(dicom: Path, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"liver.*hippocampus"):
        check_request([dicom], tmp_path, task_id="liver", choices=())


def test_output_that_is_a_file_is_refused(dicom: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    with pytest.raises(MedHeartError, match=r"taken: the results cannot be written there.*--output") as caught:
        check_request([dicom], taken, task_id=None, choices=())
    assert caught.value.code == "output"
    assert taken.read_text() == "mine"


def test_text_file_is_refused_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("hello")
    with pytest.raises(MedHeartError, match=r"note\.txt: expected DICOM, NIfTI, NRRD or MetaImage"):
        check_request([path], tmp_path, task_id=None, choices=())


def test_question_comes_first_and_strange_answers_are_named(test_data: Callable[[str], Path], tmp_path: Path) -> None:
    folder = test_data("dicom/defects/duplicate_slice")
    with pytest.raises(MedHeartError, match=r"'nonsense' was not asked for.*--choice drop-duplicates") as caught:
        check_request([folder], tmp_path, task_id=None, choices=["nonsense"])
    assert caught.value.code == "needs_choice"
    check_request([folder], tmp_path, task_id=None, choices=["drop-duplicates"])


@pytest.fixture
def two_series(store: Store, settings: Settings, dicom: Path, oblique: Volume) -> tuple[str, str, str]:
    """Two series of one DICOM study; the study, the small one and the large one."""
    (small,) = import_paths(store, settings, [dicom])
    study = store.study(small.study)
    grid = store.volume(small.series).geometry
    larger = type(grid).from_parts(shape=(30, 60, 60), spacing=(3.0, 3.0, 3.0), origin=(0, 0, 0))
    volume = Volume(np.random.default_rng(1).integers(0, 900, larger.shape).astype(np.int16), larger, "MR")
    folder = dicom.parent / "large"
    uid = pydicom.dcmread(next(dicom.iterdir())).StudyInstanceUID
    for path in write_dicom_series(folder, volume, patient_id="MRN-4711", patient_name="王^小明", body_part="HEAD"):
        slice_ = pydicom.dcmread(path)
        slice_.StudyInstanceUID = uid
        slice_.save_as(path)
    (large,) = import_paths(store, settings, [folder])
    assert large.study == study.id
    return study.id, small.series, large.series


def test_series_given_now_are_planned_and_shown(store: Store, two_series: tuple[str, str, str]) -> None:
    study, small, large = two_series
    whole = plan_study(store, store.study(study))
    assert whole.inputs == {"image": small}
    given = plan_study(store, store.study(study), first=[large])
    assert given.inputs == {"image": small}, "the rest of the study is looked at where nothing fits"
    shown = content_unsegmented(store, study, given, language="en", shown=[small])
    assert (shown.series.id, shown.inputs) == (small, ())
    assert content_unsegmented(store, study, given, language="en").series.id == large


def test_one_decisive_reason_stands_for_the_rest_of_a_series() -> None:
    def reason(code: str, series: str) -> Reason:
        return Reason(code, {"series": series, "task": "t", "got": 1, "expected": 2, "limit": 3, "axis": "x"})

    reasons = [
        reason("modality", "a"),
        reason("slice_thickness", "a"),
        reason("field_of_view_large", "b"),
        reason("slice_thickness", "b"),
        Reason("role_missing", {"task": "t", "role": "flair", "expected": "flair"}),
    ]
    assert [one.code for one in _decisive(reasons)] == [
        "modality",
        "field_of_view_large",
        "slice_thickness",
        "role_missing",
    ]
