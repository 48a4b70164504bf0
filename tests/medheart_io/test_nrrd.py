"""NRRD headers: frames, axes, data files."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from medheart.errors import ImageRejected, NeedsChoice
from medheart.volume import Volume
from medheart_io import read_image, write_volume

Locate = Callable[[str], Path]
VOXELS = np.arange(24, dtype="<i2")
HEADER = """NRRD0004
type: short
dimension: 3
space: left-posterior-superior
sizes: 2 3 4
space directions: (0.5,0,0) (0,0,-2) (0,1,0)
kinds: domain domain domain
endian: little
encoding: raw
space origin: (1,2,3)
"""


def write(path: Path, header: str = HEADER, data: bytes = VOXELS.tobytes()) -> Path:
    path.write_bytes(header.encode() + b"\n" + data)
    return path


def code_of(path: Path) -> str:
    with pytest.raises(ImageRejected) as caught:
        read_image(path)
    return caught.value.code


def test_axes_and_origin(tmp_path: Path) -> None:
    volume = read_image(write(tmp_path / "a.nrrd"))
    expected = [[0.5, 0, 0, 1], [0, 0, 1, 2], [0, -2, 0, 3], [0, 0, 0, 1]]
    np.testing.assert_allclose(volume.geometry.affine, expected)
    np.testing.assert_array_equal(volume.array, VOXELS.reshape(4, 3, 2))


@pytest.mark.parametrize(
    ("frame", "signs"),
    [
        ("right-anterior-superior", (-1, -1)),
        ("RAS", (-1, -1)),
        ("left-anterior-superior", (1, -1)),
        ("LPS", (1, 1)),
    ],
)
def test_frames(frame: str, signs: tuple[int, int], tmp_path: Path) -> None:
    path = write(tmp_path / "a.nrrd", HEADER.replace("left-posterior-superior", frame))
    assert read_image(path).geometry.origin.tolist() == [signs[0], signs[1] * 2, 3]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("space: left-posterior-superior", "space: scanner-xyz", "no_orientation"),
        ("sizes: 2 3 4", "sizes: 2 3 5000", "bad_shape"),
        ("sizes: 2 3 4", "sizes: 2 3 0", "bad_shape"),
        ("sizes: 2 3 4", "sizes: 2 3", "bad_header"),
        ("sizes: 2 3 4\n", "", "bad_header"),
        ("sizes: 2 3 4", "sizes: 4096 4096 4096", "too_large"),
        ("sizes: 2 3 4", "sizes: 2 3 40", "truncated"),
        ("sizes: 2 3 4", "sizes: 2 3 3", "size_mismatch"),
        ("(0.5,0,0)", "(nan,0,0)", "bad_header"),
        ("(0.5,0,0)", "(0,0,0)", "bad_spacing"),
        ("(0.5,0,0)", "(1e9,0,0)", "bad_spacing"),
        ("(0.5,0,0)", "(0.5,0.2,0)", "sheared"),
        ("type: short", "type: block", "unsupported_type"),
        ("type: short", "type: double double", "unsupported_type"),
        ("encoding: raw", "encoding: ascii", "unsupported_type"),
        ("kinds: domain domain domain", "kinds: RGB-color domain domain", "color"),
        ("endian: little\n", "", "bad_header"),
        ("encoding: raw", "encoding: raw\nline skip: 2", "bad_header"),
        ("encoding: raw", "encoding: raw\nspace units: um um um", "bad_header"),
    ],
)
def test_bad_headers(old: str, new: str, code: str, tmp_path: Path) -> None:
    assert old in HEADER
    assert code_of(write(tmp_path / "a.nrrd", HEADER.replace(old, new))) == code


def test_unknown_frame_by_choice(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nrrd", HEADER.replace("space: left-posterior-superior", "space dimension: 3"))
    with pytest.raises(NeedsChoice) as caught:
        read_image(path)
    assert set(caught.value.choices) == {"assume-lps", "assume-ras"}
    assert read_image(path, choice="assume-lps").geometry.origin.tolist() == [1, 2, 3]
    assert read_image(path, choice="assume-ras").geometry.origin.tolist() == [-1, -2, 3]


@pytest.mark.parametrize("packed", [False, True])
def test_detached_data(packed: bool, tmp_path: Path) -> None:
    data = gzip.compress(VOXELS.tobytes()) if packed else VOXELS.tobytes()
    (tmp_path / "a.raw").write_bytes(data)
    header = HEADER.replace("raw", "gzip") if packed else HEADER
    volume = read_image(write(tmp_path / "a.nhdr", header + "data file: a.raw\n", b""))
    np.testing.assert_array_equal(volume.array, VOXELS.reshape(4, 3, 2))
    assert volume.meta["provenance"]["files"] == 2


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.raw", "sub/a.raw", "..", "C:\\a.raw", "~/a.raw"])
def test_data_outside_the_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret.raw").write_bytes(VOXELS.tobytes())
    inner = tmp_path / "upload"
    (inner / "sub").mkdir(parents=True)
    (inner / "sub" / "a.raw").write_bytes(VOXELS.tobytes())
    assert code_of(write(inner / "a.nhdr", HEADER + f"data file: {name}\n", b"")) == "outside_path"


def test_data_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "secret.raw").write_bytes(VOXELS.tobytes())
    (tmp_path / "upload").mkdir()
    (tmp_path / "upload" / "a.raw").symlink_to(tmp_path / "secret.raw")
    assert code_of(write(tmp_path / "upload" / "a.nhdr", HEADER + "data file: a.raw\n", b"")) == "outside_path"


@pytest.mark.parametrize(("size", "code"), [(24, "truncated"), (96, "size_mismatch")])
def test_data_of_another_size(size: int, code: str, tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(size))
    assert code_of(write(tmp_path / "a.nhdr", HEADER + "data file: a.raw\n", b"")) == code


def test_data_that_is_not_there(tmp_path: Path) -> None:
    assert code_of(write(tmp_path / "a.nhdr", HEADER + "data file: a.raw\n", b"")) == "data_file_missing"
    lists = HEADER + "data file: LIST 2\na.raw\nb.raw\n"
    assert code_of(write(tmp_path / "b.nhdr", lists, b"")) in {"data_file_missing", "unreadable"}


def test_four_dimensions(tmp_path: Path) -> None:
    header = (
        HEADER.replace("dimension: 3", "dimension: 4")
        .replace("sizes: 2 3 4", "sizes: 2 2 3 2")
        .replace("directions: ", "directions: none ")
        .replace("kinds: ", "kinds: list ")
    )
    path = write(tmp_path / "a.nrrd", header)
    assert code_of(path) == "several_volumes"
    second = read_image(path, choice="frame-1")
    np.testing.assert_array_equal(second.array, VOXELS.reshape(2, 3, 2, 2)[..., 1])


def test_byte_skip_minus_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nrrd", HEADER + "byte skip: -1\n", b"junk" + VOXELS.tobytes())
    np.testing.assert_array_equal(read_image(path).array, VOXELS.reshape(4, 3, 2))


def test_real_files_agree_with_simpleitk(test_data: Locate) -> None:
    paths = sorted(test_data("mr/pyradiomics").glob("*.nrrd"))
    assert len(paths) == 6
    for path in paths:
        volume, image = read_image(path), sitk.ReadImage(str(path))
        np.testing.assert_array_equal(volume.array, sitk.GetArrayFromImage(image))
        np.testing.assert_allclose(volume.geometry.origin, image.GetOrigin(), atol=1e-6)
        np.testing.assert_allclose(volume.geometry.direction.reshape(-1), image.GetDirection(), atol=1e-6)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, volume: Volume) -> None:
    path = write_volume(tmp_path / "a.nrrd", volume)
    before = path.read_bytes()
    with pytest.raises(ImageRejected, match="complex256"):
        write_volume(path, Volume(volume.array.astype(np.complex256), volume.geometry))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_packed_file_skips_no_more_than_a_header(tmp_path: Path) -> None:
    """Bytes to skip have to be inflated: a small file could ask for hours of it."""
    header = HEADER.replace("raw", "gzip") + "byte skip: {}\n"
    packed = gzip.compress(bytes(64) + VOXELS.tobytes())
    assert read_image(write(tmp_path / "a.nrrd", header.format(64), packed)).array.size == 24
    assert code_of(write(tmp_path / "b.nrrd", header.format(2**24 + 1), packed)) == "bad_header"
