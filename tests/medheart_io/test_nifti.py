"""NIfTI headers: orientation, units, scaling, sizes; real odd volumes."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medheart.errors import ImageRejected, NeedsChoice
from medheart.geometry import Geometry, flip_ras_lps
from medheart.volume import Volume
from medheart_io import read_image, write_volume

Locate = Callable[[str], Path]


@pytest.fixture
def plain(tmp_path: Path, volume: Volume) -> Path:
    return write_volume(tmp_path / "plain.nii", volume)


def patch(path: Path, **fields: Any) -> Path:
    """Overwrite header fields of an uncompressed NIfTI-1 file."""
    data = bytearray(path.read_bytes())
    header = np.frombuffer(data, dtype=nibabel.Nifti1Header.template_dtype, count=1)
    header.setflags(write=True)
    for name, value in fields.items():
        header[0][name] = value
    path.write_bytes(data)
    return path


def code_of(path: Path, **options: Any) -> str:
    with pytest.raises(ImageRejected, match=path.name.replace(".", r"\.")) as caught:
        read_image(path, **options)
    return caught.value.code


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"srow_x": [np.nan, 0, 0, 0]}, "not_finite"),
        ({"srow_x": [np.inf, 0, 0, 0]}, "not_finite"),
        ({"srow_x": [0, 0, 0, 0], "srow_y": [0, 0, 0, 0], "srow_z": [0, 0, 0, 0]}, "bad_spacing"),
        ({"srow_x": [500, 0, 0, 0], "srow_y": [0, 500, 0, 0], "srow_z": [0, 0, 500, 0]}, "bad_spacing"),
        ({"srow_x": [1e-4, 0, 0, 0], "srow_y": [0, 1, 0, 0], "srow_z": [0, 0, 1, 0]}, "bad_spacing"),
        ({"srow_x": [1, 0, 0, 1e7], "srow_y": [0, 1, 0, 0], "srow_z": [0, 0, 1, 0]}, "bad_origin"),
        ({"sform_code": 0, "pixdim": [1, np.nan, 1, 1, 1, 1, 1, 1]}, "bad_spacing"),
        ({"sform_code": 0, "pixdim": [1, 0, 1, 1, 1, 1, 1, 1]}, "bad_spacing"),
        ({"sform_code": 0, "pixdim": [1, 1e9, 1, 1, 1, 1, 1, 1]}, "bad_spacing"),
        ({"sform_code": 0, "qform_code": 0}, "no_orientation"),
        ({"dim": [3, 5000, 6, 5, 1, 1, 1, 1]}, "bad_shape"),
        ({"dim": [3, 0, 6, 5, 1, 1, 1, 1]}, "bad_shape"),
        ({"dim": [3, -7, 6, 5, 1, 1, 1, 1]}, "bad_shape"),
        ({"dim": [9, 7, 6, 5, 1, 1, 1, 1]}, "bad_header"),
        ({"dim": [3, 4096, 4096, 4096, 1, 1, 1, 1]}, "too_large"),
        ({"dim": [3, 1000, 1000, 500, 1, 1, 1, 1]}, "truncated"),
        ({"dim": [5, 7, 6, 5, 1, 2, 1, 1]}, "several_volumes"),
        ({"datatype": 128, "bitpix": 24}, "color"),
        ({"datatype": 1536, "bitpix": 128}, "unsupported_type"),
        ({"datatype": 999}, "unreadable"),
        ({"vox_offset": np.nan}, "bad_header"),
        ({"vox_offset": 1e9}, "bad_header"),
        ({"vox_offset": 100}, "bad_header"),
        ({"vox_offset": 1000}, "truncated"),
        ({"scl_slope": 1, "scl_inter": np.nan}, "not_finite"),
        ({"magic": b"ni1"}, "detached_pair"),
    ],
    ids=lambda v: str(v)[:50],
)
def test_bad_headers(fields: dict[str, Any], code: str, plain: Path) -> None:
    assert code_of(patch(plain, **fields)) == code


@pytest.mark.parametrize(("choice", "x"), [("assume-ras", -1), ("assume-las", 1)])
def test_unknown_orientation_needs_a_choice(choice: str, x: int, plain: Path) -> None:
    patch(plain, sform_code=0, qform_code=0)
    with pytest.raises(NeedsChoice) as caught:
        read_image(plain)
    assert set(caught.value.choices) == {"assume-ras", "assume-las"}
    volume = read_image(plain, choice=choice)
    # LPS: the first axis runs to the patient's left where x is positive.
    assert np.sign(volume.geometry.affine[0, 0]) == x
    assert "orientation-assumed" in volume.meta["warnings"]


def test_sform_wins_with_a_warning(plain: Path, oblique: Geometry) -> None:
    patch(plain, qoffset_x=3.0)
    volume = read_image(plain)
    assert volume.geometry.matches(oblique)
    assert volume.meta["warnings"] == ["sform-and-qform-differ"]


def test_qform_alone(plain: Path, oblique: Geometry) -> None:
    assert read_image(patch(plain, sform_code=0)).geometry.matches(oblique)


@pytest.mark.parametrize(("unit", "factor"), [(1, 1000), (2, 1), (3, 0.001), (0, 1)])
def test_units(unit: int, factor: float, plain: Path) -> None:
    rows = {f"srow_{axis}": np.eye(4)[n] * 2 / factor for n, axis in enumerate("xyz")}
    patch(plain, xyzt_units=unit, qform_code=0, **rows)
    assert read_image(plain).geometry.spacing == pytest.approx([2, 2, 2])


@pytest.mark.parametrize(
    ("slope", "inter", "dtype"), [(1, -1024, np.int16), (2, 1, np.int16), (0.5, 0, np.float32), (1e30, 0, np.float32)]
)
def test_scaling(slope: float, inter: float, dtype: type, plain: Path, volume: Volume) -> None:
    back = read_image(patch(plain, scl_slope=slope, scl_inter=inter))
    assert back.array.dtype == dtype
    np.testing.assert_allclose(back.array, volume.array * slope + inter, rtol=1e-6)


def test_values_beyond_float32_are_asked_about(plain: Path) -> None:
    assert code_of(patch(plain, scl_slope=3e38)) == "not_finite_voxels"
    assert np.isfinite(read_image(plain, choice="zero-not-finite").array).all()


def test_big_endian(tmp_path: Path, volume: Volume) -> None:
    image = nibabel.Nifti1Image(volume.array.T, volume.geometry.to_ras())
    swapped = nibabel.Nifti1Image(volume.array.T, None, image.header.as_byteswapped(">"))
    nibabel.save(swapped, tmp_path / "big.nii")
    back = read_image(tmp_path / "big.nii")
    assert back.array.dtype.isnative
    np.testing.assert_array_equal(back.array, volume.array)


def test_nifti2(tmp_path: Path, volume: Volume) -> None:
    nibabel.save(nibabel.Nifti2Image(volume.array.T, volume.geometry.to_ras()), tmp_path / "two.nii.gz")
    back = read_image(tmp_path / "two.nii.gz")
    np.testing.assert_array_equal(back.array, volume.array)
    assert back.geometry.matches(volume.geometry)
    assert back.meta["provenance"]["format"] == "nifti2"


def test_truncated_and_padded(plain: Path, tmp_path: Path) -> None:
    data = plain.read_bytes()
    short = tmp_path / "short.nii.gz"
    short.write_bytes(gzip.compress(data)[:-100])
    assert code_of(short) == "truncated"
    short.write_bytes(gzip.compress(data[:-10]))
    assert code_of(short) == "truncated"
    long = tmp_path / "long.nii"
    long.write_bytes(data + bytes(2 * 2**20))
    assert code_of(long) == "size_mismatch"
    broken = bytearray(gzip.compress(data))
    broken[-6] ^= 255
    short.write_bytes(broken)
    assert code_of(short) == "unreadable"


def test_name_does_not_matter(plain: Path, volume: Volume) -> None:
    renamed = plain.rename(plain.with_name("image.dcm"))
    np.testing.assert_array_equal(read_image(renamed).array, volume.array)


def test_a_bomb_is_refused_before_it_inflates(tmp_path: Path, plain: Path) -> None:
    """A file of 2 MiB that declares and holds 2 GiB."""
    patch(plain, dim=[3, 1024, 1024, 1024, 1, 1, 1, 1])
    bomb = tmp_path / "bomb.nii.gz"
    bomb.write_bytes(gzip.compress(plain.read_bytes() + bytes(2 * 2**20)))
    assert code_of(bomb) == "bomb"


def test_empty_and_unknown(tmp_path: Path) -> None:
    (tmp_path / "empty.nii.gz").touch()
    assert code_of(tmp_path / "empty.nii.gz") == "empty_file"
    (tmp_path / "text.nii.gz").write_text("not an image")
    assert code_of(tmp_path / "text.nii.gz") == "unknown_format"
    assert code_of(tmp_path / "nothing.nii") == "not_found"


ODD = {
    "AIL": ((64, 67, 79), "AIL", []),
    "avg152T1_RL_nifti": ((91, 109, 91), "RAS", []),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_volumes_that_are_fine(name: str, test_data: Locate) -> None:
    path = test_data(f"odd_volumes/{name}.nii.gz")
    volume, image = read_image(path), nibabel.load(path)
    shape, orientation, warnings = ODD[name]
    assert (volume.array.shape, volume.geometry.orientation) == (shape, orientation)
    assert volume.meta["warnings"] == warnings
    np.testing.assert_allclose(volume.geometry.affine, flip_ras_lps(image.affine), atol=1e-6)
    np.testing.assert_allclose(volume.array, np.asarray(image.dataobj).T, rtol=1e-5)


def test_odd_volumes_that_need_a_choice_or_are_refused(test_data: Locate) -> None:
    assert code_of(test_data("odd_volumes/ct_perfusion.nii.gz")) == "color"
    assert code_of(test_data("odd_volumes/complex.nii.gz")) == "complex_voxels"
    assert code_of(test_data("odd_volumes/shear.nii.gz")) == "sheared"
    assert code_of(test_data("odd_volumes/pcasl.nii.gz")) == "several_volumes"
    complex_values = np.asarray(nibabel.load(test_data("odd_volumes/complex.nii.gz")).dataobj).T
    magnitude = read_image(test_data("odd_volumes/complex.nii.gz"), choice="magnitude")
    np.testing.assert_allclose(magnitude.array, np.abs(complex_values), rtol=1e-5)
    frames = np.asarray(nibabel.load(test_data("odd_volumes/pcasl.nii.gz")).dataobj).T
    third = read_image(test_data("odd_volumes/pcasl.nii.gz"), choice="frame-2")
    np.testing.assert_allclose(third.array, frames[2], rtol=1e-5)
    upright = read_image(test_data("odd_volumes/shear.nii.gz"), choice="use-qform")
    qform = nibabel.load(test_data("odd_volumes/shear.nii.gz")).header.get_qform()
    np.testing.assert_allclose(upright.geometry.affine, flip_ras_lps(qform), atol=1e-6)
    assert upright.meta["warnings"] == ["qform-chosen"]


def test_every_real_volume_agrees_with_nibabel(test_data: Locate) -> None:
    folders = ("ct/totalseg_example", "mr/spine_sct", "multimodal")
    paths = [path for folder in folders for path in sorted(test_data(folder).rglob("*.nii.gz"))]
    assert len(paths) == 20
    for path in paths:
        volume, image = read_image(path), nibabel.load(path)
        np.testing.assert_allclose(volume.geometry.affine, flip_ras_lps(image.affine), atol=1e-3)
        np.testing.assert_array_equal(volume.array, np.asarray(image.dataobj).T.astype(volume.array.dtype))


def test_written_bytes_depend_on_the_volume_only(tmp_path: Path, volume: Volume) -> None:
    one = write_volume(tmp_path / "one.nii.gz", volume).read_bytes()
    assert write_volume(tmp_path / "two.nii.gz", volume).read_bytes() == one
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["one.nii.gz", "two.nii.gz"]


def test_both_parts_of_complex_voxels_are_scaled(tmp_path: Path) -> None:
    """nifti1.h: slope and intercept hold for the real and for the imaginary part."""
    image = nibabel.Nifti1Image(np.full((2, 3, 4), 3 + 4j, dtype=np.complex64), np.eye(4))
    nibabel.save(image, tmp_path / "complex.nii")
    patch(tmp_path / "complex.nii", scl_slope=2, scl_inter=0)
    assert (read_image(tmp_path / "complex.nii", choice="magnitude").array == 10).all()
    patch(tmp_path / "complex.nii", scl_slope=1, scl_inter=9)
    np.testing.assert_allclose(read_image(tmp_path / "complex.nii", choice="magnitude").array, np.hypot(12, 13))


def test_an_answer_holds_only_where_it_was_asked_for(tmp_path: Path, plain: Path) -> None:
    """Of several images that are read with the same answers, those without shear keep their sform."""
    moved = patch(plain, qform_code=1, qoffset_x=500)
    volume = read_image(moved, choice="use-qform")
    assert volume.meta["warnings"] == ["sform-and-qform-differ"]
    np.testing.assert_array_equal(volume.geometry.affine, read_image(moved).geometry.affine)
