"""Property: any oblique, anisotropic, left- or right-handed grid keeps every voxel at its place in every format."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from medheart.geometry import Geometry, flip_ras_lps
from medheart.schema import LabelSchema
from medheart.volume import LabelMap, Volume
from medheart_io import (
    read_image,
    read_labels,
    write_dicom_seg,
    write_dicom_series,
    write_labels,
    write_volume,
)

BOUNDED = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SpaceCheck = Callable[..., None]


@st.composite
def grids(draw: st.DrawFn) -> Geometry:
    """Grids of 2..6 voxels an axis, 0.1..9 mm, any direction, either hand."""
    shape = tuple(draw(st.integers(least, 6)) for least in (2, 3, 3))
    spacing = [draw(st.floats(0.1, 9)) for _ in range(3)]
    origin = [draw(st.floats(-900, 900)) for _ in range(3)]
    direction = Rotation.random(random_state=draw(st.integers(0, 2**31))).as_matrix()
    direction[:, draw(st.integers(0, 2))] *= draw(st.sampled_from([1, -1]))
    return Geometry.from_parts(shape=shape, spacing=spacing, origin=origin, direction=direction)


def distinct(geometry: Geometry) -> Volume:
    """A CT whose voxels all differ."""
    count = int(np.prod(geometry.shape))
    return Volume(
        np.random.default_rng(count).permutation(count).reshape(geometry.shape).astype(np.int16), geometry, "CT"
    )


def itk_affine(image: sitk.Image) -> Any:
    """The affine as SimpleITK sees it, LPS."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return affine


def second_reader(path: Path) -> Geometry:
    """The grid as another library reads it."""
    if ".nii" in path.name:
        image = nibabel.load(path)
        return Geometry(image.shape[::-1], flip_ras_lps(image.affine))
    image = sitk.ReadImage(str(path))
    return Geometry(image.GetSize()[::-1], itk_affine(image))


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.nrrd", "a.mha", "a.mhd"])
@BOUNDED
@given(geometry=grids())
def test_volume_files(name: str, geometry: Geometry) -> None:
    volume = distinct(geometry)
    with tempfile.TemporaryDirectory() as folder:
        path = write_volume(Path(folder) / name, volume)
        back = read_image(path)
        assert back.geometry.matches(geometry)
        assert second_reader(path).matches(geometry)
        assert back.array.dtype == volume.array.dtype
        np.testing.assert_array_equal(back.array, volume.array)


@BOUNDED
@given(geometry=grids())
def test_dicom_series(geometry: Geometry, same_places: SpaceCheck) -> None:
    volume = distinct(geometry)
    with tempfile.TemporaryDirectory() as folder:
        files = write_dicom_series(folder, volume, patient_id="P1")
        back = read_image(folder)
        order = files if not geometry.is_left_handed else files[::-1]
        other = sitk.ReadImage([str(path) for path in order])
    same_places(volume.array, geometry, back.array, back.geometry)
    assert Geometry(back.geometry.shape, itk_affine(other)).matches(back.geometry)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(other), back.array)


@pytest.mark.parametrize("name", ["l.nii.gz", "l.seg.nrrd", "l.nrrd", "l.mha", "l.mhd"])
@BOUNDED
@given(geometry=grids())
def test_label_files(name: str, geometry: Geometry, schema: LabelSchema) -> None:
    values = np.random.default_rng(0).choice([0, *schema.values], size=geometry.shape).astype(np.uint8)
    labels = LabelMap(values, geometry, schema)
    with tempfile.TemporaryDirectory() as folder:
        path = write_labels(Path(folder) / name, labels)
        back = read_labels(path, schema)
        assert second_reader(path).matches(geometry)
    assert back.geometry.matches(geometry)
    np.testing.assert_array_equal(back.array, values)


@BOUNDED
@given(geometry=grids())
def test_dicom_seg(geometry: Geometry, schema: LabelSchema) -> None:
    values = np.random.default_rng(1).choice([0, *schema.values], size=geometry.shape).astype(np.uint8)
    labels = LabelMap(values, geometry, schema)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write_dicom_seg(Path(folder) / "seg.dcm", labels, origin="manual")
        back = read_labels(path, schema, like=geometry)
    np.testing.assert_array_equal(back.array, values)
