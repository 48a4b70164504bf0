from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from MedHeartLib.Nrrd import readNrrd, writeNrrd

from medheart.errors import ImageRejected
from medheart.geometry import Geometry
from medheart.phantom import random_geometry


def example(path: Path, dtype: str = "int16") -> tuple[np.ndarray, Geometry, bytes]:
    rng = np.random.default_rng(1)
    geometry = random_geometry(rng, (3, 4, 5), left_handed=True)
    array = rng.integers(0, 100, (3, 4, 5)).astype(dtype)
    writeNrrd(path, array, geometry)
    return array, geometry, path.read_bytes()


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
def test_round_trip_is_exact(tmp_path: Path, dtype: str) -> None:
    array, geometry, data = example(tmp_path / "a.nrrd", dtype)
    found, grid = readNrrd(data, "a.nrrd")
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    assert grid.max_corner_distance(geometry) < 1e-9


def test_other_readers_see_the_same_image(tmp_path: Path, sitk: Any) -> None:
    array, geometry, _ = example(tmp_path / "a.nrrd")
    image = sitk.ReadImage(str(tmp_path / "a.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), array)
    last = [n - 1 for n in geometry.size_ijk]
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(last), geometry.index_to_lps(last), atol=1e-6)


def test_files_of_other_writers_are_read(tmp_path: Path, sitk: Any) -> None:
    geometry = random_geometry(np.random.default_rng(4), (3, 4, 5))
    array = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(geometry.spacing.tolist())
    image.SetOrigin(geometry.origin.tolist())
    image.SetDirection(geometry.direction.ravel().tolist())
    for compressed in (False, True):
        path = tmp_path / f"{compressed}.nrrd"
        sitk.WriteImage(image, str(path), compressed)
        found, grid = readNrrd(path.read_bytes(), path.name)
        np.testing.assert_array_equal(found, array)
        assert grid.matches(geometry)


def test_a_file_in_ras_is_turned(tmp_path: Path) -> None:
    _, geometry, data = example(tmp_path / "a.nrrd")
    turned = data.replace(b"left-posterior-superior", b"right-anterior-superior", 1)
    _, grid = readNrrd(turned, "a.nrrd")
    np.testing.assert_allclose(grid.to_ras(), geometry.affine)


def test_every_cut_and_every_changed_byte_of_the_voxels_is_noticed(tmp_path: Path) -> None:
    _, _, data = example(tmp_path / "a.nrrd")
    start = data.index(b"\n\n") + 2
    for end in range(start, len(data)):
        with pytest.raises(ImageRejected, match=r"a\.nrrd"):
            readNrrd(data[:end], "a.nrrd")
    for position in range(start + 10, len(data)):
        broken = bytearray(data)
        broken[position] ^= 0x55
        with pytest.raises(ImageRejected, match=r"a\.nrrd"):
            readNrrd(bytes(broken), "a.nrrd")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"NRRD0004", b"JUNK0004"),
        (b"sizes: 5 4 3", b"sizes: 5 4"),
        (b"sizes: 5 4 3", b"sizes: 5 4 -3"),
        (b"sizes: 5 4 3", b"sizes: 5 4 4"),
        (b"sizes: 5 4 3", b"sizes: x"),
        (b"type: int16", b"type: block"),
        (b"encoding: gzip", b"encoding: bzip2"),
        (b"space: left-posterior-superior", b"space: scanner-xyz"),
        (b"space directions:", b"nothing:"),
    ],
)
def test_a_header_that_is_not_understood_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    _, _, data = example(tmp_path / "a.nrrd")
    assert old in data
    with pytest.raises(ImageRejected, match=r"a\.nrrd"):
        readNrrd(data.replace(old, new, 1), "a.nrrd")


def test_a_small_file_cannot_swell_beyond_what_its_header_says(tmp_path: Path) -> None:
    _, _, data = example(tmp_path / "a.nrrd")
    head = data[: data.index(b"\n\n") + 2]
    with pytest.raises(ImageRejected, match=r"61 bytes|121 bytes"):
        readNrrd(head + gzip.compress(bytes(50_000_000)), "a.nrrd")
