from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from medheart import Geometry, Volume
from medheart.errors import TaskError
from medheart_models.preprocessing import normalise, prepare, prepare_labels, restore
from medheart_models.tasks import load_task

TASK = load_task("hippocampus")


def scores_of(labels: np.ndarray, classes: int) -> np.ndarray:
    return np.stack([labels == n for n in range(classes)]).astype(np.float32)


@st.composite
def grids(draw: st.DrawFn, spacing: st.SearchStrategy[float], least: int = 2) -> Geometry:
    """Oblique, anisotropic, left- or right-handed grids with any order of axes."""
    shape = tuple(draw(st.integers(least, 9)) for _ in range(3))
    steps = np.array([draw(spacing) for _ in range(3)])
    turn = Rotation.from_euler("xyz", [draw(st.floats(-180, 180)) for _ in range(3)], degrees=True).as_matrix()
    signs = [draw(st.sampled_from([-1.0, 1.0])) for _ in range(3)]
    origin = [draw(st.floats(-500, 500)) for _ in range(3)]
    return Geometry.from_parts(shape=shape, spacing=steps, origin=origin, direction=turn * signs)


@given(grid=grids(st.just(1.0)), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_a_grid_of_the_networks_spacing_comes_back_voxel_for_voxel(grid: Geometry, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 3, grid.shape).astype(np.uint8)
    prepared = prepare([Volume(labels.astype(np.int16), grid, "MR")], TASK)
    assert prepared.array.shape == (1, *prepared.geometry.shape)
    assert prepared.array.flags.c_contiguous
    assert prepared.array.dtype == np.float32
    assert np.array_equal(restore(scores_of(prepare_labels(labels, prepared), 3), prepared), labels)


@given(grid=grids(st.floats(0.3, 4.0)), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_the_network_grid_is_canonical_and_covers_the_same_space(grid: Geometry, seed: int) -> None:
    volume = Volume(np.random.default_rng(seed).integers(0, 99, grid.shape).astype(np.int16), grid, "MR")
    network = prepare([volume], TASK).geometry
    assert network.orientation == "LPS"
    centre = np.array([grid.index_to_lps((np.array(grid.size_ijk) - 1) / 2)])
    assert np.allclose(network.index_to_lps((np.array(network.size_ijk) - 1) / 2), centre, atol=1e-6)
    assert sorted(network.extent_mm) == pytest.approx(sorted(grid.extent_mm))


@given(grid=grids(st.floats(0.5, 2.0), least=8), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_a_ball_stays_at_its_place_on_any_grid(grid: Geometry, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fine = Geometry(tuple(3 * n for n in grid.shape), grid.affine)
    kji = np.stack(np.meshgrid(*map(np.arange, fine.shape), indexing="ij"), -1)
    points = fine.index_to_lps(kji[..., ::-1])
    middle = fine.index_to_lps(np.array(fine.size_ijk) / 2 + rng.uniform(-1, 1, 3))
    ball = (np.linalg.norm(points - middle, axis=-1) < 0.35 * min(fine.extent_mm)).astype(np.uint8)
    prepared = prepare([Volume(ball.astype(np.int16), fine, "MR")], TASK)
    inside = prepare_labels(ball, prepared)
    network_points = prepared.geometry.index_to_lps(np.argwhere(inside)[:, ::-1])
    step = max(*fine.spacing, 1.0)
    assert np.linalg.norm(network_points.mean(0) - points[ball > 0].mean(0)) < 0.35 * step
    back = restore(scores_of(inside, 2), prepared)
    assert np.linalg.norm(points[back > 0].mean(0) - points[ball > 0].mean(0)) < 0.35 * step


def test_a_second_input_is_brought_to_the_first_one_by_position() -> None:
    task = replace(load_task("hippocampus"), inputs=TASK.inputs * 2)
    first = Geometry.from_parts(shape=(20, 24, 28), spacing=(1, 1, 1), origin=(5, -3, 40))
    second = Geometry.from_parts(
        shape=(30, 30, 36), spacing=(0.9, 1.1, 0.8), origin=(2, 25, 36), direction=np.diag([1.0, -1.0, 1.0])
    )

    def ramp(grid: Geometry) -> Volume:
        kji = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), -1)
        return Volume((grid.index_to_lps(kji[..., ::-1]) @ [1.0, 2.0, -1.5]).astype(np.float32), grid, "MR")

    both = prepare([ramp(first), ramp(second)], task).array[:, 3:-3, 5:-5, 3:-3]
    scaled = [(c - c.mean()) / c.std() for c in both]
    assert np.abs(scaled[0] - scaled[1]).max() < 0.02


def test_images_that_do_not_overlap_are_refused() -> None:
    task = replace(load_task("hippocampus"), inputs=TASK.inputs * 2)
    near = Geometry.from_parts(shape=(8, 8, 8), spacing=(1, 1, 1))
    far = Geometry.from_parts(shape=(8, 8, 8), spacing=(1, 1, 1), origin=(100, 0, 0))
    array = np.arange(512, dtype=np.int16).reshape(8, 8, 8)
    with pytest.raises(TaskError, match="do not overlap"):
        prepare([Volume(array, near, "MR"), Volume(array, far, "MR")], task)


def test_a_wrong_number_of_images_is_named() -> None:
    with pytest.raises(TaskError, match="needs 1 images"):
        prepare([], TASK)


def test_scores_of_another_grid_are_refused() -> None:
    grid = Geometry.from_parts(shape=(8, 8, 8), spacing=(1, 1, 1))
    prepared = prepare([Volume(np.arange(512, dtype=np.int16).reshape(8, 8, 8), grid, "MR")], TASK)
    with pytest.raises(TaskError, match="scores must be"):
        restore(np.zeros((3, 8, 8, 7), np.float32), prepared)


def test_window_normalisation_maps_its_ends() -> None:
    array = np.array([-2000, -1000, -300, 400, 3000], np.float32)
    scaled = normalise(array, {"normalisation": "window", "window": [-1000, 400]})
    assert scaled.tolist() == pytest.approx([-1, -1, 0, 1, 1])


def test_z_score_ignores_padding_and_scale() -> None:
    rng = np.random.default_rng(0)
    array = np.zeros((10, 20, 20), np.float32)
    array[2:8] = rng.normal(500, 60, (6, 20, 20))
    options = {"normalisation": "z-score", "percentiles": [0.5, 99.5]}
    scaled = normalise(array, options)
    assert scaled[2:8].mean() == pytest.approx(0, abs=1e-3)
    assert scaled[2:8].std() == pytest.approx(1, abs=1e-3)
    assert np.allclose(normalise(array * 7 + 100, options), scaled, atol=1e-4)


def test_an_image_of_one_value_gives_zeros() -> None:
    assert not normalise(np.full((3, 3, 3), 7, np.float32), {"normalisation": "z-score", "percentiles": [1, 99]}).any()
