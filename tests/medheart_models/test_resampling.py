from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medheart import Geometry
from medheart_models.resampling import axis_weights, resampled_geometry, resize


@given(old=st.integers(1, 60), new=st.integers(1, 60))
@settings(max_examples=80, deadline=None)
def test_weights_are_a_mean_and_keep_straight_lines(old: int, new: int) -> None:
    weights = axis_weights(old, new).toarray()
    assert weights.min() >= 0
    assert np.allclose(weights.sum(axis=1), 1, atol=1e-5)
    centres = (np.arange(new) + 0.5) * old / new - 0.5
    reach = np.ceil(max(1.0, old / new))
    inner = (centres >= reach) & (centres <= old - 1 - reach)
    assert np.allclose((weights @ np.arange(old))[inner], centres[inner], atol=0.26 * max(1.0, old / new))


def test_finer_grids_interpolate_linearly() -> None:
    line = np.array([0.0, 1.0, 4.0, 9.0], np.float32)
    expected = np.interp((np.arange(8) + 0.5) / 2 - 0.5, np.arange(4), line)
    assert (axis_weights(4, 8) @ line).tolist() == pytest.approx(expected.tolist())


def test_coarser_grids_do_not_alias() -> None:
    stripes = np.tile([0.0, 1.0], 32).astype(np.float32).reshape(64, 1, 1)
    assert np.abs(resize(stripes, (16, 1, 1)) - 0.5).max() < 0.1


def test_the_same_size_changes_nothing() -> None:
    array = np.random.default_rng(1).normal(size=(2, 3, 4, 5)).astype(np.float32)
    assert np.array_equal(resize(array, (3, 4, 5)), array)


def test_the_resampled_grid_keeps_the_outer_edges() -> None:
    grid = Geometry.from_parts(shape=(10, 20, 30), spacing=(0.7, 0.8, 2.5), origin=(1, 2, 3))
    new = resampled_geometry(grid, (1.0, 1.0, 1.0))
    assert new.extent_mm == pytest.approx(grid.extent_mm)
    for corner in (-0.5, 0.5):
        ends = [np.array(g.size_ijk) * (corner + 0.5) - 0.5 for g in (grid, new)]
        assert np.allclose(grid.index_to_lps(ends[0]), new.index_to_lps(ends[1]))
