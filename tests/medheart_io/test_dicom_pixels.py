"""Every compression gives the same pixels as the uncompressed file, and as pydicom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from medheart.errors import ImageRejected
from medheart_io import read_image
from medheart_io.dicom_file import read_dicom_file
from medheart_io.dicom_pixels import read_frames

Locate = Callable[[str], Path]
Change = Callable[..., None]
FOLDER = "dicom/pydicom_data"


def pixels(path: Path) -> NDArray[np.generic]:
    file = read_dicom_file(path)
    assert not file.damage, file.damage
    return read_frames({path: file}, list(file.frames))


@pytest.mark.parametrize(
    "name",
    [
        "emri_small_RLE",
        "emri_small_big_endian",
        "emri_small_jpeg_2k_lossless",
        "emri_small_jpeg_ls_lossless",
    ],
)
def test_ten_frames_in_every_form(name: str, test_data: Locate) -> None:
    plain = pixels(test_data(f"{FOLDER}/emri_small.dcm"))
    assert plain.shape == (10, 64, 64)
    np.testing.assert_array_equal(pixels(test_data(f"{FOLDER}/{name}.dcm")), plain)


@pytest.mark.parametrize("name", ["693_J2KR", "bad_sequence", "JLSL_16_15_1_1F", "JPEG-LL", "JPEG2000_UNC"])
def test_same_as_pydicom(name: str, test_data: Locate) -> None:
    path = test_data(f"{FOLDER}/{name}.dcm")
    np.testing.assert_array_equal(pixels(path)[0], pydicom.dcmread(path).pixel_array)


def test_float_pixels(test_data: Locate) -> None:
    volume = read_image(test_data(f"{FOLDER}/parametric_map_double_float.dcm"))
    assert volume.array.dtype == np.float32
    expected = pydicom.dcmread(test_data(f"{FOLDER}/parametric_map_double_float.dcm")).pixel_array
    np.testing.assert_allclose(volume.array[0], expected.reshape(128, 128), rtol=1e-6)


@pytest.mark.parametrize(
    "syntax",
    [
        pydicom.uid.RLELossless,
        pydicom.uid.JPEGLSLossless,
        pydicom.uid.JPEG2000Lossless,
        pydicom.uid.DeflatedExplicitVRLittleEndian,
    ],
)
def test_compressed_series(syntax: str, tmp_path: Path, make_series: Callable[..., list[Path]]) -> None:
    series = make_series(tmp_path / "series", 4, (64, 66))
    plain = read_image(series[0].parent)
    for path in series:
        dataset = pydicom.dcmread(path)
        if syntax == pydicom.uid.DeflatedExplicitVRLittleEndian:
            dataset.file_meta.TransferSyntaxUID = syntax
        else:
            dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(path)
    again = read_image(series[0].parent)
    assert again.meta["provenance"]["transfer_syntax"] == syntax
    np.testing.assert_array_equal(again.array, plain.array)


def test_bits_above_the_stored_ones_are_dropped(series: list[Path], change: Change) -> None:
    """Old files keep an overlay in the high bits; the sign lies in bit 11."""
    rows, columns = 12, 10
    values = np.arange(rows * columns, dtype=np.int16).reshape(rows, columns) - 60
    raw = (values.astype(np.uint16) & 0x0FFF) | 0xA000
    path = series[0]
    change(path, BitsStored=12, HighBit=11, PixelData=raw.tobytes())
    np.testing.assert_array_equal(pixels(path)[0], values)


def test_damaged_codestream_is_refused(test_data: Locate, tmp_path: Path) -> None:
    data = bytearray(test_data(f"{FOLDER}/693_J2KR.dcm").read_bytes())
    start = data.index(b"\xff\x4f\xff\x51")
    data[start + 40 : start + 4000] = bytes(3960)
    path = tmp_path / "broken.dcm"
    path.write_bytes(data)
    with pytest.raises(ImageRejected, match=r"broken\.dcm") as caught:
        read_image(path)
    assert caught.value.code == "decoder_failed"


def test_unknown_compression_is_named(series: list[Path]) -> None:
    dataset = pydicom.dcmread(series[0])
    dataset.compress(pydicom.uid.RLELossless)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML
    dataset.save_as(series[0])
    with pytest.raises(ImageRejected, match=r"1\.2\.840\.10008\.1\.2\.4\.100") as caught:
        read_image(series[0])
    assert caught.value.code == "unsupported_compression"


@pytest.mark.parametrize(("keyword", "kind"), [("FloatPixelData", "f4"), ("DoubleFloatPixelData", "f8")])
def test_float_pixels_in_implicit_files_are_floats(keyword: str, kind: str, series: list[Path]) -> None:
    """An implicit file does not spell out the VR: the tag says what the pixels are."""
    values = np.linspace(-3.25, 7.5, 120, dtype=kind).reshape(12, 10)
    for path in series:
        dataset = pydicom.dcmread(path)
        del dataset.PixelData
        for name in ("RescaleSlope", "RescaleIntercept", "BitsStored", "HighBit", "PixelRepresentation"):
            dataset.pop(pydicom.tag.Tag(name), None)
        dataset.BitsAllocated = 8 * values.itemsize
        setattr(dataset, keyword, values.tobytes())
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        dataset.save_as(path)
    np.testing.assert_array_equal(read_image(series[0].parent).array[3], values.astype(np.float32))
