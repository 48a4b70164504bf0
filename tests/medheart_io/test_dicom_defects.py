"""Every case of the real defects: what a reader should say of it, as `defects.json` demands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medheart.errors import ImageRejected, NeedsChoice
from medheart.volume import Volume
from medheart_io import Candidate, load, read_image, scan

Locate = Callable[[str], Path]
TESTED = {
    "good",
    "missing_slice",
    "duplicate_slice",
    "wrong_instance_order",
    "mixed_series",
    "missing_ipp",
    "thickness_lies",
    "truncated",
    "not_dicom",
    "gb18030",
    "phi",
}


@pytest.fixture
def case(test_data: Locate) -> Locate:
    return lambda name: test_data(f"dicom/defects/{name}")


@pytest.fixture
def good(case: Locate) -> Volume:
    return read_image(case("good"))


def only(folder: Path) -> Candidate:
    (found,) = scan([folder])
    return found


def refusal(folder: Path) -> ImageRejected:
    with pytest.raises(ImageRejected) as caught:
        read_image(folder)
    return caught.value


def test_no_case_of_the_list_is_forgotten(test_data: Locate) -> None:
    listed = json.loads(test_data("dicom/defects/defects.json").read_text(encoding="utf-8"))["cases"]
    assert set(listed) == TESTED


def test_good(good: Volume) -> None:
    assert good.array.shape == (10, 137, 141)
    assert good.array.dtype == np.int16
    assert good.geometry.spacing == pytest.approx([0.976562, 0.976562, 3.27])
    assert good.meta["warnings"] == []


def test_missing_slices_are_counted_and_named(case: Locate, good: Volume) -> None:
    error = refusal(case("missing_slice"))
    assert isinstance(error, NeedsChoice)
    assert error.code == "missing_slices"
    assert "2 slices are missing: 1 between 3 and 5 (IM0002.dcm, IM0003.dcm)" in error.message
    filled = read_image(case("missing_slice"), choice="resample-even")
    assert filled.geometry.matches(good.geometry)
    assert "resampled-spacing" in filled.meta["warnings"]
    there = [0, 1, 2, 4, 5, 6, 8, 9]
    np.testing.assert_array_equal(filled.array[there], np.delete(good.array, [3, 7], axis=0))
    between = (good.array[2].astype(float) + good.array[4]) / 2
    assert np.abs(filled.array[3] - between).max() <= 0.5


def test_duplicate_slices_are_named(case: Locate, good: Volume) -> None:
    error = refusal(case("duplicate_slice"))
    assert error.code == "duplicate_slices"
    assert "IM0005.dcm" in error.message
    assert "IM0007.dcm" in error.message
    dropped = read_image(case("duplicate_slice"), choice="drop-duplicates")
    np.testing.assert_array_equal(dropped.array, good.array)


def test_order_comes_from_positions(case: Locate, good: Volume) -> None:
    shuffled = read_image(case("wrong_instance_order"))
    np.testing.assert_array_equal(shuffled.array, good.array)
    assert shuffled.geometry.matches(good.geometry)


def test_mixed_series_are_split(case: Locate) -> None:
    found = scan([case("mixed_series")])
    assert sorted(c.geometry.shape for c in found if c.geometry) == [(4, 137, 141), (6, 137, 141)]
    assert {c.status for c in found} == {"accepted"}
    error = refusal(case("mixed_series"))
    assert error.code == "several_series"
    assert isinstance(error, NeedsChoice)
    for one in found:
        chosen = read_image(case("mixed_series"), choice=one.id)
        assert one.geometry is not None
        assert chosen.geometry.matches(one.geometry)


def test_missing_positions_are_never_guessed(case: Locate) -> None:
    error = refusal(case("missing_ipp"))
    assert error.code == "missing_position"
    assert "3 of 10 slices" in error.message
    assert all(name in error.message for name in ("IM0004.dcm", "IM0005.dcm", "IM0006.dcm"))
    assert not isinstance(error, NeedsChoice)


def test_spacing_comes_from_positions(case: Locate) -> None:
    volume = read_image(case("thickness_lies"))
    assert volume.geometry.spacing[2] == pytest.approx(3.27)
    assert volume.meta["slice_thickness_mm"] == 10
    assert volume.meta["slice_spacing_mm"] == pytest.approx(3.27)
    assert "thickness-differs-from-spacing" in volume.meta["warnings"]


def test_truncated_files_are_named(case: Locate) -> None:
    error = refusal(case("truncated"))
    assert error.code == "truncated"
    assert "IM0002.dcm (ends inside its header)" in error.message
    assert "IM0007.dcm (has 22192 of 38634 bytes of pixels)" in error.message
    with pytest.raises(NeedsChoice, match="2 slices are missing"):
        read_image(case("truncated"), choice="skip-damaged")
    volume = read_image(case("truncated"), choice=["skip-damaged", "resample-even"])
    assert volume.array.shape == (10, 137, 141)
    assert "damaged-files-skipped" in volume.meta["warnings"]


def test_other_files_are_skipped(case: Locate, good: Volume) -> None:
    found = only(case("not_dicom"))
    assert found.status == "accepted"
    assert found.skipped == ("DICOMDIR", "empty.dcm", "notes.dcm", "shot.png")
    np.testing.assert_array_equal(load(found).array, good.array[:6])


def test_chinese_names_are_readable(case: Locate) -> None:
    found = only(case("gb18030"))
    assert found.identity.name == "Wang^XiaoDong=王^小东"
    assert found.identity.title == "王小东 (试验-001)"
    assert json.loads(json.dumps(found.to_dict()))["status"] == "accepted"
    assert load(found).array.shape == (3, 137, 141)


def test_several_patients_are_asked_about(case: Locate) -> None:
    found = scan([case("phi")])
    assert {c.code for c in found} == {"several_patients"}
    assert {c.status for c in found} == {"needs_choice"}
    one = found[0]
    assert "张三丰 (MRN00943393)" in one.named_choices.values()
    assert "张三丰" not in str(one.choices)
    with pytest.raises(NeedsChoice, match="4 patients"):
        load(one)
    volume = load(one, next(iter(one.choices)))
    assert volume.array.shape == (1, 137, 141)


def test_no_identity_in_volumes(case: Locate) -> None:
    for found in scan([case("phi")]) + scan([case("gb18030")]) + scan([case("good")]):
        volume = load(found, list(found.choices))
        text = json.dumps(volume.meta, ensure_ascii=False) + found.series_description
        words = [found.identity.patient_id, found.identity.name, found.identity.birth_date, str(found.path)]
        assert not [word for word in words if word and word in text]


def test_all_cases_in_one_folder_stay_apart(test_data: Locate) -> None:
    found = scan([test_data("dicom/defects")])
    folders = {path.parent.name for c in found for path in c.files}
    assert folders >= TESTED
    assert all(len({path.parent for path in c.files}) == 1 for c in found)
