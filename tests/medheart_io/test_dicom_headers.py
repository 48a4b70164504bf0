"""Odd headers and odd stacks: each gets its own code, and never a silently wrong volume."""

from __future__ import annotations

import shutil
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from medheart.errors import ImageRejected, NeedsChoice
from medheart_io import dicom_file, read_image, scan, streams
from medheart_io.dicom_meta import free_text

Change = Callable[..., None]


def refusal(path: Path) -> ImageRejected:
    with pytest.raises(ImageRejected) as caught:
        read_image(path)
    return caught.value


BAD_IN_EVERY_FILE = [
    ({"PixelSpacing": b"nan\\nan"}, "not_finite"),
    ({"PixelSpacing": b"1.0\\inf"}, "not_finite"),
    ({"PixelSpacing": b"0\\0"}, "bad_spacing"),
    ({"PixelSpacing": b"-1\\-1"}, "bad_spacing"),
    ({"PixelSpacing": b"1e9\\-7"}, "bad_spacing"),
    ({"PixelSpacing": b"0.001\\0.001"}, "bad_spacing"),
    ({"PixelSpacing": b"51\\51"}, "bad_spacing"),
    ({"PixelSpacing": b"1.0"}, "bad_header"),
    ({"PixelSpacing": b"one\\two"}, "bad_header"),
    ({"PixelSpacing": None}, "missing_spacing"),
    ({"ImagePositionPatient": b"nan\\0\\0"}, "not_finite"),
    ({"ImagePositionPatient": b"0\\0\\1e300"}, "bad_origin"),
    ({"ImagePositionPatient": b"0\\0"}, "bad_header"),
    ({"ImageOrientationPatient": b"1\\0\\0\\1\\0\\0"}, "bad_orientation"),
    ({"ImageOrientationPatient": b"0\\0\\0\\0\\0\\0"}, "bad_orientation"),
    ({"ImageOrientationPatient": b"1\\0\\0\\0\\1.01\\0"}, "bad_orientation"),
    ({"ImageOrientationPatient": b"1\\0\\0\\0\\nan\\0"}, "not_finite"),
    ({"ImageOrientationPatient": None}, "missing_orientation"),
    ({"RescaleSlope": b"nan"}, "not_finite"),
    ({"RescaleSlope": b"1e30"}, "bad_header"),
    ({"RescaleSlope": b"0"}, "bad_header"),
    ({"ModalityLUTSequence": [pydicom.Dataset()]}, "unsupported_type"),
    ({"RescaleIntercept": b"-inf"}, "not_finite"),
    ({"Rows": 65535}, "bad_shape"),
    ({"Rows": 0}, "bad_shape"),
    ({"Columns": 4097}, "bad_shape"),
    ({"Rows": 4096, "Columns": 4096}, "truncated"),
    ({"Rows": None}, "no_pixels"),
    ({"PixelData": None}, "no_pixels"),
    ({"NumberOfFrames": b"-3"}, "bad_shape"),
    ({"NumberOfFrames": b"99999999"}, "bad_shape"),
    ({"NumberOfFrames": b"60000"}, "truncated"),
    ({"BitsAllocated": 12}, "unsupported_type"),
    ({"BitsStored": 40}, "unsupported_type"),
    ({"HighBit": 3}, "unsupported_type"),
    ({"SamplesPerPixel": 3}, "truncated"),
    ({"PhotometricInterpretation": "RGB"}, "color"),
    ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
    ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, "mosaic"),
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "secondary_capture"),
]


@pytest.mark.parametrize(("values", "code"), BAD_IN_EVERY_FILE, ids=lambda v: str(v)[:50])
def test_bad_values_in_every_file(values: dict[str, object], code: str, series: list[Path], change: Change) -> None:
    for path in series:
        change(path, **values)
    error = refusal(series[0].parent)
    assert error.code == code
    assert error.message.startswith(("series: ", *(path.name for path in series)))


@pytest.mark.parametrize("value", [b"nan\\nan", b"1e9\\-7", b"0\\0"])
def test_one_bad_slice_is_named_not_left_out(value: bytes, series: list[Path], change: Change) -> None:
    change(series[3], PixelSpacing=value)
    error = refusal(series[0].parent)
    assert isinstance(error, NeedsChoice)
    assert "1 damaged file: IM0004.dcm" in error.message
    with pytest.raises(NeedsChoice, match="1 slice is missing"):
        read_image(series[0].parent, choice="skip-damaged")


def test_gaps_are_told_by_number(series: list[Path]) -> None:
    series[3].unlink()
    series[4].unlink()
    error = refusal(series[0].parent)
    assert error.code == "missing_slices"
    assert "2 slices are missing: 2 between 3 and 6 (IM0003.dcm, IM0006.dcm)" in error.message


@pytest.mark.parametrize(("move_mm", "code"), [(0.02, None), (0.03, "uneven_spacing"), (1.0, "uneven_spacing")])
def test_distances_may_differ_by_one_percent(
    move_mm: float, code: str | None, series: list[Path], change: Change
) -> None:
    change(series[4], ImagePositionPatient=[-4, -5, 110 + move_mm])
    if code is None:
        assert read_image(series[0].parent).array.shape[0] == 8
    else:
        error = refusal(series[0].parent)
        assert error.code == code
        assert "apart" in error.message


def test_one_slice_beside_the_others(series: list[Path], change: Change) -> None:
    change(series[4], ImagePositionPatient=[-3, -5, 110])
    assert refusal(series[0].parent).code == "tilted"


def test_tilt_of_fifteen_degrees(series: list[Path], change: Change) -> None:
    for number, path in enumerate(series):
        change(path, ImagePositionPatient=[-4, -5 + number * 2.5 * np.tan(np.radians(15)), 100 + 2.5 * number])
    error = refusal(series[0].parent)
    assert isinstance(error, NeedsChoice)
    assert (error.code, error.details["tilt_degrees"]) == ("tilted", 15.0)
    volume = read_image(series[0].parent, choice="resample-tilt")
    assert volume.geometry.spacing == pytest.approx([0.8, 0.9, 2.5])
    assert volume.array.dtype == np.int16
    first = pydicom.dcmread(series[0]).pixel_array
    np.testing.assert_array_equal(volume.array[0, :12], first)
    outside = np.unique(volume.array[0, 12:])
    assert outside.tolist() == [min(pydicom.dcmread(path).pixel_array.min() for path in series)]


def test_resampled_tilt_gives_back_a_linear_image(series: list[Path], change: Change) -> None:
    """A ramp in patient space is linear: resampling must give it back exactly, wherever slices cover it."""
    for number, path in enumerate(series):
        shift = number * 2.5 * np.tan(np.radians(20))
        y = -5 + shift + 0.9 * np.arange(12)[:, None] + np.zeros((12, 10))
        change(
            path,
            ImagePositionPatient=[-4, -5 + shift, 100 + 2.5 * number],
            PixelData=np.rint(y * 100 + 250 * number).astype(np.int16).tobytes(),
        )
    volume = read_image(series[0].parent, choice="resample-tilt")
    k, j, _ = np.indices(volume.array.shape)
    expected = volume.geometry.affine[1, 3] * 100 + 90 * j + 250 * k
    covered = np.abs(volume.array - expected) <= 1.5
    rows = 12 - 1
    assert covered.sum() >= rows * 10 * 8


def test_a_copy_of_a_file_is_dropped(series: list[Path]) -> None:
    before = read_image(series[0].parent)
    shutil.copy(series[2], series[2].with_name("copy.dcm"))
    after = read_image(series[0].parent)
    np.testing.assert_array_equal(after.array, before.array)
    assert after.meta["warnings"] == ["copies-dropped"]


def test_two_different_slices_at_one_place(series: list[Path], change: Change) -> None:
    change(series[3], ImagePositionPatient=[-4, -5, 110])
    error = refusal(series[0].parent)
    assert error.code == "duplicate_slices"
    assert not isinstance(error, NeedsChoice)
    assert "IM0004.dcm, IM0005.dcm" in error.message


@pytest.mark.parametrize(
    ("keyword", "values"),
    [("EchoNumbers", [1, 2]), ("TemporalPositionIdentifier", [1, 2]), ("DiffusionBValue", [0.0, 800.0])],
)
def test_several_volumes_in_one_series(keyword: str, values: list[float], series: list[Path], change: Change) -> None:
    single = read_image(series[0].parent)
    for number, path in enumerate(series):
        other = path.with_name(f"second{number}.dcm")
        shutil.copy(path, other)
        brighter = (pydicom.dcmread(path).pixel_array + 1).tobytes()
        change(path, **{keyword: values[0]})
        change(other, **{keyword: values[1]}, SOPInstanceUID=f"1.2.3.{number}", PixelData=brighter)
    error = refusal(series[0].parent)
    assert isinstance(error, NeedsChoice)
    assert error.code == "several_volumes"
    assert sorted(error.choices) == [f"{keyword}={value}" for value in values]
    second = read_image(series[0].parent, choice=f"{keyword}={values[1]}")
    np.testing.assert_array_equal(second.array, single.array + 1)


def test_a_localizer_is_no_part_of_the_series(series: list[Path], change: Change) -> None:
    change(series[7], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    found = {c.kind: c for c in scan([series[0].parent])}
    assert found["localizer"].code == "localizer"
    assert found["volume"].geometry is not None
    assert found["volume"].geometry.shape[0] == 7


def test_monochrome1_keeps_values_and_says_so(series: list[Path], change: Change) -> None:
    before = read_image(series[0].parent)
    for path in series:
        change(path, PhotometricInterpretation="MONOCHROME1")
    after = read_image(series[0].parent)
    np.testing.assert_array_equal(after.array, before.array)
    assert after.meta["warnings"] == ["monochrome1"]


@pytest.mark.parametrize(
    ("slope", "intercept", "dtype"), [("1", "-1024", np.int16), ("2", "5", np.int16), ("0.5", "0", np.float32)]
)
def test_modality_values(slope: str, intercept: str, dtype: type, series: list[Path], change: Change) -> None:
    before = read_image(series[0].parent)
    for path in series:
        change(path, RescaleSlope=slope, RescaleIntercept=intercept)
    after = read_image(series[0].parent)
    assert after.array.dtype == dtype
    np.testing.assert_array_equal(after.array, before.array * float(slope) + float(intercept))


def test_each_slice_has_its_own_slope(series: list[Path], change: Change) -> None:
    before = read_image(series[0].parent)
    for number, path in enumerate(series):
        change(path, RescaleSlope=str(number + 1))
    after = read_image(series[0].parent)
    np.testing.assert_allclose(after.array, before.array * np.arange(1, 9)[:, None, None])


def test_undeclared_gb18030_names(tmp_path: Path, make_series: Callable[..., list[Path]], change: Change) -> None:
    for path in make_series(tmp_path / "series", patient_name="NAMENAME"):
        change(path, SpecificCharacterSet=None)
        path.write_bytes(path.read_bytes().replace(b"NAMENAME", "王^小明 ".encode("gb18030")))
    (found,) = scan([tmp_path])
    assert found.identity.title == "王小明 (P1)"


def test_no_file_meta_and_no_preamble(series: list[Path]) -> None:
    before = read_image(series[0].parent)
    for path in series:
        dataset = pydicom.dcmread(path)
        del dataset.file_meta
        dataset.preamble = None
        dataset.save_as(path, implicit_vr=True, little_endian=True, enforce_file_format=False)
        assert path.read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(read_image(series[0].parent).array, before.array)


def test_a_deflated_bomb_is_stopped_early(series: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of 40 KiB that inflates to 32 MiB of header."""
    monkeypatch.setattr(streams, "ALLOWANCE", 8 * 2**20)
    dataset = pydicom.dcmread(series[0])
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(series[0])
    data = series[0].read_bytes()
    start = data.index(b"\x02\x00\x00\x00UL") + 12
    body = start + int.from_bytes(data[start - 4 : start], "little")
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    element = b"\x09\x00\x10\x10OB\0\0" + (32 * 2**20).to_bytes(4, "little")
    packed = [squeezer.compress(element)] + [squeezer.compress(bytes(2**20)) for _ in range(32)] + [squeezer.flush()]
    bomb = series[0].with_name("bomb.dcm")
    bomb.write_bytes(data[:body] + b"".join(packed))
    assert bomb.stat().st_size < 2**17
    assert refusal(bomb).code == "bomb"


def test_a_header_of_endless_empty_elements_is_stopped(series: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Zeros are elements (0000,0000) without a value, eight bytes each: cheap to send, slow to parse."""
    data = series[0].read_bytes()
    start = data.index(b"\x02\x00\x00\x00UL") + 12
    body = start + int.from_bytes(data[start - 4 : start], "little")
    endless = series[0].with_name("endless.dcm")
    endless.write_bytes(data[:body] + bytes(8 * 20_000))
    assert refusal(endless).code == "truncated"
    monkeypatch.setattr(dicom_file, "_MAX_READS", 10_000)
    assert refusal(endless).code == "bomb"
    assert read_image(series[1]).geometry.shape[0] == 1


def test_many_declared_frames_take_no_time(series: list[Path], change: Change) -> None:
    change(series[0], NumberOfFrames=b"20000", Rows=1, Columns=1, PixelData=bytes(2 * 20000))
    began = time.process_time()
    assert refusal(series[0]).code == "duplicate_slices"
    assert time.process_time() - began < 8


def test_thousand_frames_of_a_small_file_are_not_allocated(series: list[Path], change: Change) -> None:
    change(series[0], NumberOfFrames=b"65536", Rows=4096, Columns=4096)
    assert refusal(series[0]).code == "too_large"


@pytest.mark.parametrize(
    ("name", "birth", "said", "left"),
    [
        ("王^伟", "", "王伟胸部平扫", "…胸部平扫"),
        ("王^小明", "", "王小明复查", "…复查"),
        ("王^小明", "", "小明 王 复查", "… 复查"),
        ("Wang^XiaoMing=王^小明", "", "WANG_XIAOMING 王小明", "… …"),
        ("王^平", "", "胸部平扫", "胸部平扫"),
        ("", "19600102", "born 1960-01-02, 1960.1.2, 19600102, 1960年1月2日", "born …, …, …, …"),
        ("", "19600102", "110101196001021234", "110101…1234"),
        ("", "19600102", "B1960 1 20", "B1960 1 20"),
        ("A^B", "", "abdomen", "abdomen"),
    ],
)
def test_free_texts_lose_the_patient(name: str, birth: str, said: str, left: str) -> None:
    texts = {"PatientName": name, "PatientBirthDate": birth, "SeriesDescription": said}
    assert free_text(dicom_file.DicomFile(Path("a.dcm"), texts), "SeriesDescription") == left


def test_small_differences_that_add_up_are_uneven(
    tmp_path: Path, make_series: Callable[..., list[Path]], change: Change
) -> None:
    """Half of the steps a little short, half a little long: each within 1 %, the middle far beside its place."""
    files = make_series(tmp_path / "series", slices=60, size=(4, 4))
    steps = np.array([2.49] * 30 + [2.51] * 29)
    for path, z in zip(files, [0, *np.cumsum(steps)], strict=True):
        change(path, ImagePositionPatient=[-4, -5, round(z, 3)])
    error = refusal(files[0].parent)
    assert (error.code, isinstance(error, NeedsChoice)) == ("uneven_spacing", True)
    assert "add up" in error.message


def test_an_even_grid_reaches_to_the_last_slice(series: list[Path], change: Change) -> None:
    for path, z in zip(series, [0, 2.5, 5, 7.5, 10, 12.5, 15, 18.5], strict=True):
        change(path, ImagePositionPatient=[-4, -5, z])
    volume = read_image(series[0].parent, choice="resample-even")
    last = volume.geometry.index_to_lps([0, 0, volume.geometry.shape[0] - 1])
    np.testing.assert_allclose(last, [-4, -5, 18.5])
    np.testing.assert_array_equal(volume.array[-1], pydicom.dcmread(series[-1]).pixel_array)
    assert 2.2 < volume.geometry.spacing[2] <= 2.5
