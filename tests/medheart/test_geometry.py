from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from medheart.errors import GeometryError
from medheart.geometry import Geometry, flip_ras_lps

SIZES = st.tuples(*[st.integers(1, 40)] * 3)
SPACINGS = st.tuples(*[st.floats(0.1, 9)] * 3)
ORIGINS = st.tuples(*[st.floats(-500, 500)] * 3)


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    """Oblique, anisotropic, left- and right-handed grids."""
    direction = Rotation.random(random_state=draw(st.integers(0, 2**31))).as_matrix()
    direction[:, draw(st.integers(0, 2))] *= draw(st.sampled_from([1, -1]))
    return Geometry.from_parts(shape=draw(SIZES), spacing=draw(SPACINGS), origin=draw(ORIGINS), direction=direction)


def itk_image(geometry: Geometry) -> sitk.Image:
    image = sitk.Image([int(n) for n in geometry.size_ijk], sitk.sitkUInt8)
    image.SetSpacing(geometry.spacing.tolist())
    image.SetOrigin(geometry.origin.tolist())
    image.SetDirection(geometry.direction.ravel().tolist())
    return image


@given(geometries(), st.tuples(*[st.integers(0, 39)] * 3))
def test_index_to_lps_agrees_with_itk(geometry: Geometry, index: tuple[int, int, int]) -> None:
    expected = itk_image(geometry).TransformIndexToPhysicalPoint(index)
    np.testing.assert_allclose(geometry.index_to_lps(index), expected, atol=1e-6)


@given(geometries(), st.tuples(*[st.floats(-50, 50)] * 3))
def test_lps_to_index_is_the_inverse(geometry: Geometry, index: tuple[float, float, float]) -> None:
    np.testing.assert_allclose(geometry.lps_to_index(geometry.index_to_lps(index)), index, atol=1e-6)


@given(geometries())
def test_orientation_agrees_with_nibabel_in_ras(geometry: Geometry) -> None:
    assert geometry.orientation == "".join(nib.aff2axcodes(geometry.to_ras()))


@given(geometries())
def test_dict_and_ras_round_trips_keep_the_grid(geometry: Geometry) -> None:
    assert Geometry.from_dict(geometry.to_dict()) == geometry
    assert Geometry.from_ras(geometry.shape, geometry.to_ras()).matches(geometry, tolerance_mm=1e-9)
    assert geometry.voxel_volume_mm3 == pytest.approx(np.prod(geometry.spacing))


@given(geometries(), st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3), st.data())
def test_reoriented_follows_the_array(
    geometry: Geometry, axes: list[int], flips: tuple[bool, bool, bool], data: st.DataObject
) -> None:
    voxel = tuple(data.draw(st.integers(0, n - 1)) for n in geometry.shape)
    array = np.zeros(geometry.shape, bool)
    array[voxel] = True
    moved = np.flip(array.transpose(axes), [n for n in range(3) if flips[n]])
    new = geometry.reoriented(tuple(axes), flips)
    assert new.shape == moved.shape
    there = np.argwhere(moved)[0][::-1]
    np.testing.assert_allclose(new.index_to_lps(there), geometry.index_to_lps(voxel[::-1]), atol=1e-6)


def test_ras_and_lps_differ_in_the_first_two_axes() -> None:
    np.testing.assert_array_equal(np.diag(flip_ras_lps(np.eye(4))), [-1, -1, 1, 1])


def test_left_handed_is_known() -> None:
    assert Geometry((1, 1, 1), np.diag([1, 1, -2, 1.0])).is_left_handed
    assert not Geometry((1, 1, 1), np.diag([-1, 1, -2, 1.0])).is_left_handed


@pytest.mark.parametrize(
    ("shape", "affine", "word"),
    [
        ((1, 1, 1), np.full((4, 4), np.nan), "finite"),
        ((0, 1, 1), np.eye(4), "positive"),
        ((1, 1, 1), np.diag([1, 0, 1, 1.0]), "spacing"),
        ((1, 1, 1), np.array([[1, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), "right angles"),
    ],
)
def test_invalid_grids_are_refused_by_name(shape: tuple[int, int, int], affine: np.ndarray, word: str) -> None:
    with pytest.raises(GeometryError, match=word):
        Geometry(shape, affine)


@given(geometries(), st.floats(0.01, 5))
def test_a_moved_grid_does_not_match(geometry: Geometry, shift: float) -> None:
    affine = geometry.affine.copy()
    affine[2, 3] += shift
    moved = Geometry(geometry.shape, affine)
    assert moved != geometry
    assert not moved.matches(geometry)
    assert moved.max_corner_distance(geometry) == pytest.approx(shift)
