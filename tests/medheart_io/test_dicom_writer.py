"""Written DICOM series: values, texts, UIDs, and that another reader takes them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest

from medheart.errors import ImageRejected
from medheart.volume import Volume
from medheart_io import read_image, scan, write_dicom_series


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.uint16, np.bool_])
def test_integers_are_exact(dtype: type, tmp_path: Path, volume: Volume) -> None:
    values = np.random.default_rng(0).integers(0, 2 if dtype is np.bool_ else 200, volume.array.shape).astype(dtype)
    if dtype is np.uint16:
        values[0, 0, 0] = 65535
    write_dicom_series(tmp_path, Volume(values, volume.geometry, "MR"), patient_id="P1")
    np.testing.assert_array_equal(read_image(tmp_path).array[::-1], values)


def test_floats_lose_half_a_step(tmp_path: Path, volume: Volume) -> None:
    values = np.random.default_rng(0).normal(scale=300, size=volume.array.shape).astype(np.float32)
    write_dicom_series(tmp_path, Volume(values, volume.geometry, "CT"), patient_id="P1")
    step = (values.max() - values.min()) / 65000
    assert np.abs(read_image(tmp_path).array[::-1] - values).max() <= 0.51 * step


def test_texts(tmp_path: Path, volume: Volume) -> None:
    files = write_dicom_series(
        tmp_path,
        volume,
        patient_id="P1",
        patient_name="王^小明",
        patient_sex="F",
        patient_birth_date="19600102",
        study_description="胸部 CT",
        series_description="lung",
        body_part="CHEST",
        when=datetime(2026, 3, 4, 5, 6, 7),
    )
    assert [path.name for path in files] == [f"IM{n:04d}.dcm" for n in range(1, 6)]
    (found,) = scan([tmp_path])
    assert found.identity.title == "王小明 (P1)"
    assert (found.identity.sex, found.identity.birth_date) == ("F", "19600102")
    assert (found.body_part, found.series_description, found.study_date) == ("CHEST", "lung", "20260304")
    assert found.study_description == "胸部 CT"


def test_the_same_call_writes_the_same_series(tmp_path: Path, volume: Volume) -> None:
    for name in ("one", "two"):
        write_dicom_series(tmp_path / name, volume, patient_id="P1")
    write_dicom_series(tmp_path / "other", volume, patient_id="P2")
    uid = {name: pydicom.dcmread(tmp_path / name / "IM0002.dcm").SOPInstanceUID for name in ("one", "two", "other")}
    assert uid["one"] == uid["two"] != uid["other"]


def test_highdicom_agrees_on_the_grid(tmp_path: Path, volume: Volume) -> None:
    files = write_dicom_series(tmp_path, volume, patient_id="P1")
    other = highdicom.get_volume_from_series([pydicom.dcmread(path) for path in files])
    ours = read_image(tmp_path)
    theirs = other.affine[:, [2, 1, 0, 3]]
    k, j, i = np.indices(other.spatial_shape).reshape(3, -1)
    points = (theirs @ np.stack([i, j, k, np.ones_like(i)]))[:3].T
    index = ours.geometry.lps_to_index(points)
    assert np.abs(index - np.rint(index)).max() * 2.5 < 1e-3
    x, y, z = np.rint(index).astype(int).T
    np.testing.assert_array_equal(ours.array[z, y, x], other.array[k, j, i])


def test_other_modalities_are_refused(tmp_path: Path, volume: Volume) -> None:
    with pytest.raises(ImageRejected, match="expected CT or MR"):
        write_dicom_series(tmp_path, Volume(volume.array, volume.geometry), patient_id="P1")
