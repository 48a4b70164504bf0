"""Diameters against brute force, and their independence of the way a lesion lies in the grid."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import pdist
from skimage.measure import find_contours

from medheart import Geometry
from medheart_measure import diameters, measure
from medheart_measure.diameters import axial_axes, largest_diameter, perpendicular_width
from medheart_measure.region import Region

BLOBS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=7)).filter(np.any)
SPACINGS = st.tuples(*[st.floats(0.3, 6.0)] * 3)


def region_of(mask, spacing, direction=None):
    return Region(mask, (2, 3, 4), Geometry.from_parts(shape=(20, 20, 20), spacing=spacing, direction=direction))


def face_centres(mask):
    """Return twice the index of every face centre of every voxel: 6 n points as (k, j, i)."""
    voxels = 2 * np.argwhere(mask)
    return np.concatenate([voxels + step for step in np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])])


@settings(max_examples=60, deadline=None)
@given(BLOBS, SPACINGS)
def test_largest_diameter_is_that_of_all_pairs_of_faces(mask, spacing):
    ends = largest_diameter(region_of(mask, spacing))
    expected = pdist(face_centres(mask) / 2 * np.array(spacing)[::-1]).max()
    assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(BLOBS, SPACINGS)
def test_long_axis_is_that_of_all_pairs_of_faces_within_one_slice(mask, spacing):
    (long_axis, _) = axial_axes(region_of(mask, spacing))
    expected = 0.0
    for one in mask:
        if one.any():
            voxels = np.argwhere(one).astype(float)
            faces = np.concatenate([voxels + step for step in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5))])
            expected = max(expected, pdist(faces * np.array(spacing)[1::-1]).max())
    assert np.linalg.norm(long_axis[1] - long_axis[0]) == pytest.approx(expected, rel=1e-9)
    assert long_axis[0, 2] == pytest.approx(long_axis[1, 2])


def widest_chord(mask, ends, spacing):
    """Return the widest extent across `ends` between contour pieces of skimage, by stepping through all corners."""
    pieces = []
    for contour in find_contours(np.pad(mask, 1).astype(float), 0.5, fully_connected="high"):
        corners = (contour - 1) * spacing
        pieces.extend(itertools.pairwise(corners))
    along = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    across = np.array([-along[1], along[0]])
    best = 0.0
    for offset in {round(float(p @ along), 9) for piece in pieces for p in piece}:
        hits = []
        for a, b in pieces:
            ta, tb = float(a @ along) - offset, float(b @ along) - offset
            if min(ta, tb) > 1e-8 or max(ta, tb) < -1e-8:
                continue
            shares = (0.0, 1.0) if abs(tb - ta) < 1e-9 else (min(max(-ta / (tb - ta), 0.0), 1.0),)
            hits += [float((a + s * (b - a)) @ across) for s in shares]
        best = max(best, max(hits) - min(hits))
    return best


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7)).filter(np.any),
    st.tuples(st.floats(0.3, 3), st.floats(0.3, 3)),
)
def test_short_axis_is_the_widest_chord_across_the_outline(mask, spacing):
    spacing = np.array(spacing)
    long_axis, short_axis = axial_axes(region_of(mask[None], (*spacing[::-1], 1.0)))
    index = [
        Geometry.from_parts(shape=(20, 20, 20), spacing=(*spacing[::-1], 1.0)).lps_to_index(x)
        for x in (long_axis, short_axis)
    ]
    ends = (index[0][:, 1::-1] - (3, 4)) * spacing
    found = perpendicular_width(mask, ends, spacing)
    width = np.linalg.norm(found[1] - found[0])
    assert width == pytest.approx(widest_chord(mask, ends, spacing), abs=1e-6)
    assert width == pytest.approx(np.linalg.norm(short_axis[1] - short_axis[0]))
    assert (found[1] - found[0]) @ (ends[1] - ends[0]) == pytest.approx(0, abs=1e-6)
    assert width <= np.linalg.norm(ends[1] - ends[0]) + 1e-6


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=24)).filter(np.any),
    st.tuples(st.floats(0.3, 6), st.floats(0.3, 6)),
    st.floats(0, np.pi),
)
def test_short_axis_is_the_same_in_stretches_as_at_once(mask, spacing, angle):
    spacing, ends = np.array(spacing), np.array([[0.0, 0.0], [np.sin(angle), np.cos(angle)]])
    at_once = perpendicular_width(mask, ends, spacing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diameters, "_PAIRS", 0)
        assert np.array_equal(perpendicular_width(mask, ends, spacing), at_once)


def test_a_speckled_slice_takes_little_memory():
    mask = np.random.default_rng(0).random((1, 128, 128)) < 0.5
    tracemalloc.start()
    axial_axes(region_of(mask, (0.7, 0.8, 1.0)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6


def test_short_axis_of_a_banana_stays_inside_it(label_map):
    row, column = np.mgrid[:60, :60] - 30
    radius = np.hypot(row, column)
    banana = (radius < 26) & (radius > 18) & (row > -8)
    table = measure(label_map(banana[None].repeat(3, axis=0)))["label_1"]
    assert table["long_axis_axial"].value == pytest.approx(52, abs=1.5)
    (ax, ay, _), (bx, by, _) = table["short_axis_axial"].points
    for x, y in ((ax, ay), (bx, by)):
        assert banana[max(round(y) - 1, 0) : round(y) + 2, max(round(x) - 1, 0) : round(x) + 2].any()
    assert table["short_axis_axial"].value < 34 + 1.5


@pytest.mark.parametrize("seed", range(4))
def test_turning_the_grid_changes_no_diameter_by_more_than_a_voxel(ellipsoid, rotate, seed):
    spacing = (0.9, 1.1, 1.6)
    left_handed = np.diag([1.0, 1.0, -1.0 if seed % 2 else 1.0])
    upright = measure(ellipsoid((21, 15, 11), spacing=spacing))["label_1"]
    turned = measure(ellipsoid((21, 15, 11), spacing=spacing, direction=rotate(seed) @ left_handed))["label_1"]
    for table in (upright, turned):
        assert table["max_diameter_3d"].value == pytest.approx(42, abs=max(spacing))
        assert table["volume"].value == pytest.approx(4 / 3 * np.pi * 21 * 15 * 11 / 1000, rel=0.01)
        assert [table[f"centroid_{a}"].value for a in "xyz"] == pytest.approx([12.3, -45.6, 78.9], abs=0.1)
        extents = [table[f"bounding_box_{a}"].value for a in "xyz"]
        assert extents == pytest.approx([42, 30, 22], abs=2 * np.linalg.norm(spacing))


def test_end_points_lie_on_the_lesion_in_the_patient(ellipsoid, rotate):
    labels = ellipsoid((25, 6, 6), spacing=(1.0, 1.0, 2.0), direction=rotate(9) @ np.diag([1, 1, -1]))
    (first, second) = measure(labels)["label_1"]["max_diameter_3d"].points
    tips = sorted([np.array(first), np.array(second)], key=lambda p: p[0])
    assert np.allclose(tips[0], [12.3 - 25, -45.6, 78.9], atol=2.5)
    assert np.allclose(tips[1], [12.3 + 25, -45.6, 78.9], atol=2.5)
