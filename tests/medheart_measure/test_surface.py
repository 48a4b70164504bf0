"""Surface area against closed forms, SimpleITK, and the weights it rests on."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import integrate

from medheart_measure.surface import crofton_area, direction_weights


def itk_perimeter(mask):
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.ComputePerimeterOn()
    statistics.Execute(sitk.GetImageFromArray(mask.astype(np.uint8)))
    return statistics.GetPerimeter(1)


def ellipsoid_mask(half, spacing, shift=(0.3, 0.1, 0.45)):
    """Return (k, j, i) boolean with an empty border; `half` and `spacing` run along (k, j, i)."""
    sizes = [int(2 * h / s) + 5 for h, s in zip(half, spacing, strict=True)]
    axes = [(np.arange(n) - n / 2 + d) * s / h for n, d, s, h in zip(sizes, shift, spacing, half, strict=True)]
    return sum(x**2 for x in np.meshgrid(*axes, indexing="ij")) <= 1


def ellipsoid_area(a, b, c):
    def piece(v, u):
        su, cu, cv, sv = math.sin(u), math.cos(u), math.cos(v), math.sin(v)
        return su * math.sqrt((b * c * su * cv) ** 2 + (a * c * su * sv) ** 2 + (a * b * cu) ** 2)

    return 8 * integrate.dblquad(piece, 0, math.pi / 2, 0, math.pi / 2)[0]


def test_weights_are_shares_of_all_directions():
    assert sum(direction_weights((2.5, 0.7, 0.7))) == pytest.approx(1)
    # The areas that ITK writes as constants: six axes, twelve face diagonals, eight space diagonals.
    one, two, three = (direction_weights((1.0, 1.0, 1.0))[n] / 2 for n in (0, 3, 9))
    assert (one, two, three) == pytest.approx((0.04577789120476, 0.03698062787608, 0.03519563978232), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_simpleitk_on_isotropic_random_blobs(seed):
    mask = np.random.default_rng(seed).random((12, 13, 14)) > 0.6
    padded = np.pad(mask, 2)
    assert crofton_area(padded, (1.0, 1.0, 1.0)) == pytest.approx(itk_perimeter(padded), rel=1e-6)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 0.7, 0.7), (5.0, 0.9, 0.5)])
def test_sphere(spacing):
    mask = ellipsoid_mask((40, 40, 40), spacing)
    assert crofton_area(mask, spacing) == pytest.approx(4 * math.pi * 40**2, rel=0.007)


@pytest.mark.parametrize(
    ("spacing", "bound"), [((1.0, 1.0, 1.0), 0.007), ((2.5, 0.7, 0.7), 0.07), ((5.0, 0.9, 0.5), 0.10)]
)
@pytest.mark.parametrize("half", [(40, 20, 10), (20, 40, 10), (10, 20, 40)])
def test_elongated_ellipsoid_stays_within_the_documented_bounds(spacing, bound, half):
    mask = ellipsoid_mask(half, spacing)
    assert crofton_area(mask, spacing) == pytest.approx(ellipsoid_area(*half), rel=bound)


def test_area_does_not_depend_on_the_order_of_axes():
    mask = np.pad(np.random.default_rng(5).random((5, 6, 7)) > 0.5, 1)
    area = crofton_area(mask, (2.0, 0.7, 1.1))
    assert crofton_area(mask.transpose(2, 0, 1), (1.1, 2.0, 0.7)) == pytest.approx(area)
    assert crofton_area(mask[::-1, :, ::-1], (2.0, 0.7, 1.1)) == pytest.approx(area)
