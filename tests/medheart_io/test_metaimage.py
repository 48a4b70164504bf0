"""MetaImage headers and data files."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from medheart.errors import ImageRejected, NeedsChoice
from medheart.geometry import Geometry
from medheart.volume import LabelMap, Volume
from medheart_io import read_image, read_labels, streams, write_labels, write_volume

Locate = Callable[[str], Path]
VOXELS = np.arange(24, dtype="<i2")
HEADER = """ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = False
CompressedData = False
TransformMatrix = 1 0 0 0 0 -1 0 1 0
Offset = 1 2 3
ElementSpacing = 0.5 2 1
DimSize = 2 3 4
ElementType = MET_SHORT
ElementDataFile = LOCAL
"""


def write(path: Path, header: str = HEADER, data: bytes = VOXELS.tobytes()) -> Path:
    path.write_bytes(header.encode() + data)
    return path


def code_of(path: Path) -> str:
    with pytest.raises(ImageRejected) as caught:
        read_image(path)
    return caught.value.code


def test_same_as_simpleitk(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mha")
    volume, image = read_image(path), sitk.ReadImage(str(path))
    np.testing.assert_array_equal(volume.array, sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(volume.geometry.direction.reshape(-1), image.GetDirection())
    np.testing.assert_allclose(volume.geometry.spacing, image.GetSpacing())
    np.testing.assert_allclose(volume.geometry.origin, image.GetOrigin())


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("DimSize = 2 3 4", "DimSize = 2 3 40000", "bad_shape"),
        ("DimSize = 2 3 4", "DimSize = 2 3 -4", "bad_shape"),
        ("DimSize = 2 3 4", "DimSize = 2 3", "bad_shape"),
        ("DimSize = 2 3 4", "DimSize = 2 3 four", "unreadable"),
        ("DimSize = 2 3 4", "DimSize = 4096 4096 4096", "too_large"),
        ("DimSize = 2 3 4", "DimSize = 2 3 40", "truncated"),
        ("DimSize = 2 3 4", "DimSize = 2 3 3", "size_mismatch"),
        ("0.5 2 1", "nan 2 1", "not_finite"),
        ("0.5 2 1", "0 2 1", "bad_spacing"),
        ("0.5 2 1", "0.5 2", "bad_header"),
        ("1 0 0 0 0 -1 0 1 0", "1 0.3 0 0 0 -1 0 1 0", "sheared"),
        ("MET_SHORT", "MET_SHORT_ARRAY", "unsupported_type"),
        ("BinaryData = True", "BinaryData = False", "unsupported_type"),
        ("NDims = 3", "NDims = 3\nElementNumberOfChannels = 3", "color"),
        ("NDims = 3", "NDims = 3\nHeaderSize = -1", "bad_header"),
        ("ElementDataFile = LOCAL", "End = 1", "bad_header"),
    ],
)
def test_bad_headers(old: str, new: str, code: str, tmp_path: Path) -> None:
    assert old in HEADER
    assert code_of(write(tmp_path / "a.mha", HEADER.replace(old, new))) == code


def test_no_orientation_needs_a_choice(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mha", HEADER.replace("TransformMatrix = 1 0 0 0 0 -1 0 1 0\n", ""))
    with pytest.raises(NeedsChoice, match="which side is left"):
        read_image(path)
    assert read_image(path, choice="assume-lps").geometry.orientation == "LPS"


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.raw", "sub\\a.raw", ".."])
def test_data_outside_the_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret.raw").write_bytes(VOXELS.tobytes())
    (tmp_path / "upload").mkdir()
    header = HEADER.replace("LOCAL", name)
    assert code_of(write(tmp_path / "upload" / "a.mhd", header, b"")) == "outside_path"


def test_data_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "secret.raw").write_bytes(VOXELS.tobytes())
    (tmp_path / "a.raw").symlink_to(tmp_path / "secret.raw")
    assert code_of(write(tmp_path / "a.mhd", HEADER.replace("LOCAL", "a.raw"), b"")) == "outside_path"


@pytest.mark.parametrize(("size", "code"), [(24, "truncated"), (96, "size_mismatch")])
def test_raw_of_another_size(size: int, code: str, tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(size))
    assert code_of(write(tmp_path / "a.mhd", HEADER.replace("LOCAL", "a.raw"), b"")) == code


def test_compressed(tmp_path: Path) -> None:
    header = HEADER.replace("CompressedData = False", "CompressedData = True")
    good = write(tmp_path / "a.mha", header, zlib.compress(VOXELS.tobytes()))
    np.testing.assert_array_equal(read_image(good).array, VOXELS.reshape(4, 3, 2))
    assert code_of(write(good, header, zlib.compress(bytes(100)))) == "size_mismatch"
    assert code_of(write(good, header, zlib.compress(bytes(20)))) == "truncated"
    assert code_of(write(good, header, zlib.compress(VOXELS.tobytes())[:-8])) == "truncated"
    assert code_of(write(good, header, b"no zlib stream")) == "unreadable"
    huge = header.replace("DimSize = 2 3 4", "DimSize = 1024 1024 512")
    assert code_of(write(good, huge, zlib.compress(bytes(1000)))) == "bomb"


def test_real_file(test_data: Locate) -> None:
    path = test_data("odd_volumes/mha.mha")
    volume, image = read_image(path), sitk.ReadImage(str(path))
    assert volume.geometry.orientation == "LAS"
    np.testing.assert_array_equal(volume.array, sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(volume.geometry.origin, image.GetOrigin())
    np.testing.assert_allclose(volume.geometry.direction.reshape(-1), image.GetDirection())


def test_a_large_label_map_comes_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, labels: LabelMap) -> None:
    """Nearly empty, it packs far better than any image: the allowance of label maps holds on the whole way."""
    monkeypatch.setattr(streams, "ALLOWANCE", 2**10)
    array = np.zeros((16, 64, 64), dtype=np.uint8)
    array[3, 4, 5] = 7
    sparse = LabelMap(array, Geometry.from_parts(shape=array.shape, spacing=(1, 1, 1)), labels.schema)
    assert read_labels(write_labels(tmp_path / "l.mha", sparse), labels.schema).digest == sparse.digest


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_chinese_names_of_two_files(encoding: str, tmp_path: Path, volume: Volume) -> None:
    path = tmp_path / os.fsdecode("头部.mhd".encode(encoding))
    assert read_image(write_volume(path, volume)).digest == volume.digest
    assert "头部.raw".encode(encoding) in path.read_bytes()


def test_a_name_in_gb18030_of_a_file_in_utf8(tmp_path: Path) -> None:
    """An archive that was unpacked with its names translated still holds the header as it was."""
    (tmp_path / "头.raw").write_bytes(VOXELS.tobytes())
    path = tmp_path / "a.mhd"
    path.write_bytes(HEADER.replace("LOCAL", "头.raw").encode("gb18030"))
    np.testing.assert_array_equal(read_image(path).array.reshape(-1), VOXELS)
