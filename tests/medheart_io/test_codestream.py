"""Sizes of compressed frames, as real files of each kind claim them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.encaps import generate_frames

from medheart.errors import ImageRejected
from medheart_io import read_image
from medheart_io.codestream import codestream_size

Locate = Callable[[str], Path]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("693_J2KR", (512, 512)),
        ("HTJ2K_08_RGB", (480, 640)),
        ("JLSL_16_15_1_1F", (128, 128)),
        ("JPEG-LL", (1024, 256)),
        ("bad_sequence", (512, 512)),
        ("JPGLosslessP14SV1_1s_1f_8b", (768, 1024)),
    ],
)
def test_real_frames(name: str, size: tuple[int, int], test_data: Locate) -> None:
    dataset = pydicom.dcmread(test_data(f"dicom/pydicom_data/{name}.dcm"))
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    assert codestream_size(frame) == size


@pytest.mark.parametrize("frame", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe0\x00\x00", b"nonsense", b"\xff\x4f\xff\x51\0"])
def test_no_header(frame: bytes) -> None:
    assert codestream_size(frame) is None


def test_a_frame_of_another_size_never_reaches_its_codec(test_data: Locate, tmp_path: Path) -> None:
    data = bytearray(test_data("dicom/pydicom_data/693_J2KR.dcm").read_bytes())
    start = data.index(b"\xff\x4f\xff\x51")
    data[start + 8 : start + 16] = b"\0\0\xff\xff" * 2
    (tmp_path / "huge.dcm").write_bytes(data)
    with pytest.raises(ImageRejected, match=r"65535.*512") as caught:
        read_image(tmp_path / "huge.dcm")
    assert caught.value.code == "bad_shape"
