"""The numerical parts of the phantoms against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medheart.phantom._fields import (
    Grid,
    correlated_noise,
    coverage,
    inner_box,
    smooth_noise,
    soft_max,
    soft_min,
    upsample,
)
from medheart.phantom._tubes import draw_tubes, grow_tree, polyline


def test_grid_axes_and_origin() -> None:
    grid = Grid((5, 4, 3), (1.0, 2.0, 3.0), (10.0, 20.0, 30.0))
    z, y, x = grid.axes
    np.testing.assert_allclose(z.ravel(), [24, 27, 30, 33, 36])
    np.testing.assert_allclose(y.ravel(), [17, 19, 21, 23])
    np.testing.assert_allclose(x.ravel(), [9, 10, 11])
    assert grid.origin == (9.0, 17.0, 24.0)
    coarse = grid.coarse(4.0)
    assert coarse.origin == pytest.approx(grid.origin)
    assert coarse.shape == (4, 3, 2)


def test_upsampling_reproduces_a_linear_field_and_a_box_is_a_part_of_it() -> None:
    fine, coarse = Grid((21, 17, 25), (1.0, 1.5, 2.0)), Grid((21, 17, 25), (1.0, 1.5, 2.0)).coarse(5.0)

    def plane(grid: Grid) -> np.ndarray:
        z, y, x = grid.axes
        return 2 * x - 3 * y + 0.5 * z + 7

    whole = upsample(plane(coarse), fine.shape)
    np.testing.assert_allclose(whole, plane(fine), atol=1e-3)
    box = (slice(3, 9), slice(0, 17), slice(20, 25))
    np.testing.assert_allclose(upsample(plane(coarse), fine.shape, box), whole[box], atol=1e-3)


def test_the_inner_box_holds_all_that_is_covered() -> None:
    fine = Grid((60, 60, 60), (1.0, 1.0, 1.0))
    coarse = fine.coarse(3.0)
    z, y, x = coarse.axes
    distance = np.sqrt((x - 6) ** 2 + (y + 5) ** 2 + (z - 11) ** 2) - 9
    covered = coverage(upsample(distance, fine.shape), 1.0) > 0
    box = inner_box(distance, fine.shape, 1.0)
    assert covered[box].sum() == covered.sum() > 0
    assert covered[box].size < 0.2 * covered.size
    assert upsample(distance, fine.shape, inner_box(distance + 99, fine.shape, 1.0)).size == 0


def test_noise_has_the_wanted_spread_and_scale() -> None:
    rng = np.random.default_rng(0)
    noise = correlated_noise(rng, (40, 40, 40), 25.0)
    assert noise.std() == pytest.approx(25, rel=1e-3)
    assert abs(noise.mean()) < 1
    # Little power at low frequencies: block means vary far less than in merely smoothed noise.
    smoothed = ndimage.gaussian_filter(rng.standard_normal((40, 40, 40)), 0.55)
    blocks = [a.reshape(10, 4, 10, 4, 10, 4).mean(axis=(1, 3, 5)).std() / a.std() for a in (noise, smoothed)]
    assert blocks[0] < 0.7 * blocks[1]
    for scale in (6.0, 20.0):
        field = smooth_noise(rng, (50, 50, 50), (2.0, 2.0, 2.0), scale)
        # Neighbours 2 mm apart in white noise smoothed by sigma = scale / 2: exp(-d^2 / (4 sigma^2)).
        found = np.corrcoef(field[:, :, 1:].ravel(), field[:, :, :-1].ravel())[0, 1]
        assert found == pytest.approx(np.exp(-4 / scale**2), abs=0.03)


def test_soft_union_and_intersection_round_the_edge_and_leave_the_rest() -> None:
    a, b = np.float32([-9, -5, -5, 3]), np.float32([2, -5, 9, 3])
    np.testing.assert_allclose(soft_max(a, b, 4), [2, -4, 9, 4])
    np.testing.assert_allclose(soft_min(a, b, 4), [-9, -6, -5, 2])


@pytest.mark.parametrize("radius", [0.25, 0.4, 1.5, 4.0])
def test_a_tube_has_the_cross_section_of_the_formula(radius: float) -> None:
    grid = Grid((40, 30, 30), (1.0, 1.0, 1.0))
    target = np.zeros(grid.shape, dtype=np.float32)
    draw_tubes(target, polyline(np.array([[0.2, 0.3, -60.0], [0.2, 0.3, 60.0]]), np.array([radius, radius])), grid)
    sections = target.sum(axis=(1, 2))
    assert sections.mean() == pytest.approx(np.pi * radius**2, rel=0.1 if radius < 1 else 0.02)


def test_a_tree_reaches_every_target_and_thickens_towards_its_root() -> None:
    rng = np.random.default_rng(3)
    targets = rng.uniform(-40, 40, (200, 3))
    root = np.array([60.0, 0.0, 0.0])
    tree = grow_tree(root, targets, np.zeros((200, 3)), balance=0.4, leaf_mm=0.5, exponent=3.0)
    for target in targets:
        assert np.linalg.norm(tree.end - target, axis=1).min() < 1e-9
    from_root = np.linalg.norm(tree.start - root, axis=1) < 1e-9
    leaves = np.count_nonzero([np.linalg.norm(tree.start - target, axis=1).min() > 1e-9 for target in targets])
    # Murray: the cubes of the radii that leave the root add up to those of the leaves.
    assert (tree.radius[200:][from_root[:200]][:, 1] ** 3).sum() == pytest.approx(leaves * 0.5**3, rel=1e-6)
