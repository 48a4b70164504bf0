"""Where a point of the patient lands in a picture, on any grid."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medheart import Geometry, Volume
from medheart_reports.views import PLANES, edge_letters, view_of

GRIDS = [(axes, signs) for axes in itertools.permutations(range(3)) for signs in itertools.product((1, -1), repeat=3)]
AXIAL, CORONAL, SAGITTAL = PLANES


def grid(axes=(0, 1, 2), signs=(1, 1, 1), *, tilt=0.0, shape=(14, 18, 22), spacing=(1.0, 1.5, 3.0)):
    """Return a grid whose index axes run along permuted, flipped, tilted axes of the patient; half are left-handed."""
    direction = np.eye(3)[:, list(axes)] * signs
    cosine, sine = np.cos(tilt), np.sin(tilt)
    turn = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    return Geometry.from_parts(shape=shape, spacing=spacing, origin=(5, -8, 13), direction=turn @ direction)


@pytest.mark.parametrize(("axes", "signs"), GRIDS)
def test_left_is_right_back_is_down_and_head_is_up(axes, signs):
    geometry = grid(axes, signs, tilt=0.2)
    middle = geometry.index_to_lps((np.array(geometry.size_ijk) - 1) / 2)
    view = view_of(Volume(np.zeros(geometry.shape), geometry))

    def moved(direction, plane):
        rows, columns = (view.to_pixels(middle + np.array(direction), plane) - view.to_pixels(middle, plane)).T
        return float(rows), float(columns)

    left, back, head = (4, 0, 0), (0, 4, 0), (0, 0, 4)
    assert moved(left, AXIAL)[1] > 0
    assert moved(back, AXIAL)[0] > 0
    assert moved(left, CORONAL)[1] > 0
    assert moved(head, CORONAL)[0] < 0
    assert moved(back, SAGITTAL)[1] > 0
    assert moved(head, SAGITTAL)[0] < 0


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(GRIDS), st.floats(-0.4, 0.4), st.data())
def test_a_marker_voxel_is_found_where_the_patient_has_it(layout, tilt, data):
    geometry = grid(*layout, tilt=tilt)
    voxel = tuple(data.draw(st.integers(0, n - 1)) for n in geometry.shape)
    array = np.zeros(geometry.shape, np.int16)
    array[voxel] = 100
    view = view_of(Volume(array, geometry))
    place = geometry.index_to_lps(voxel[::-1])
    for plane in PLANES:
        index = round(float(view.geometry.lps_to_index(place)[2 - plane.normal]))
        seen = view.slice_of(view.image, plane, index)
        row, column = np.rint(view.to_pixels(place, plane)).astype(int)
        assert seen[row, column] == 100
        assert seen.sum() == 100


@pytest.mark.parametrize(("axes", "signs"), GRIDS[::5])
def test_slice_numbers_are_those_of_the_stored_array(axes, signs):
    geometry = grid(axes, signs)
    array = np.zeros(geometry.shape, np.int16)
    array[3, 5, 7] = 1
    view = view_of(Volume(array, geometry))
    for plane in PLANES:
        stored_axis, _ = view.sources[plane.normal]
        index = int(np.argwhere(view.image)[0][plane.normal])
        assert view.stored_slice(plane, index) == ((3, 5, 7)[stored_axis] + 1, geometry.shape[stored_axis])


def test_letters_name_both_directions_of_an_oblique_edge():
    upright = view_of(Volume(np.zeros((14, 18, 22)), grid()))
    assert edge_letters(upright, AXIAL) == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    assert edge_letters(upright, CORONAL) == {"left": "R", "right": "L", "top": "S", "bottom": "I"}
    assert edge_letters(upright, SAGITTAL) == {"left": "A", "right": "P", "top": "S", "bottom": "I"}
    tilted = view_of(Volume(np.zeros((14, 18, 22)), grid(tilt=0.5)))
    assert edge_letters(tilted, AXIAL) == {"left": "R", "right": "L", "top": "AI", "bottom": "PS"}


def test_position_is_that_of_the_middle_of_the_slice():
    view = view_of(Volume(np.zeros((14, 18, 22)), grid()))
    assert view.position_mm(AXIAL, 2) == pytest.approx(13 + 2 * 3.0)
    assert view.position_mm(CORONAL, 2) == pytest.approx(-8 + 2 * 1.5)
    assert view.position_mm(SAGITTAL, 2) == pytest.approx(5 + 2 * 1.0)
