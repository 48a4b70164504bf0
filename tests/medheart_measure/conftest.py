"""Shapes with known sizes and brute-force measurements for the tests of the measuring engine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from medheart import Code, Geometry, LabelClass, LabelMap, LabelSchema

_CODE = Code("SCT", "49755003", "Morphologically Abnormal Structure")


def label_schema(*values: int) -> LabelSchema:
    """Return a schema with labels `label_<value>`."""
    labels = tuple(LabelClass(v, f"label_{v}", {"en": f"Label {v}"}, _CODE, _CODE, (200, 80, 0)) for v in values)
    return LabelSchema("test", "1", labels)


@pytest.fixture
def schema_of() -> Callable[..., LabelSchema]:
    return label_schema


@pytest.fixture
def label_map() -> Callable[..., LabelMap]:
    """Return a function from a boolean or integer array (K, J, I) and a grid to a label map."""

    def build(array: NDArray[np.generic], geometry: Geometry | None = None, **parts: object) -> LabelMap:
        array = np.asarray(array).astype(np.uint8)
        if geometry is None:
            geometry = Geometry.from_parts(shape=array.shape, **{"spacing": (1.0, 1.0, 1.0), **parts})  # type: ignore[arg-type]
        values = [int(v) for v in np.unique(array) if v] or [1]
        return LabelMap(array, geometry, label_schema(*values))

    return build


@pytest.fixture
def ellipsoid() -> Callable[..., LabelMap]:
    """Return a function from half axes (x, y, z) in mm and a direction matrix to a label map of that ellipsoid.

    The ellipsoid is fixed in the patient's frame, whatever the grid: its axes are those of the patient, turned by
    `turn`.
    """

    def build(
        half: tuple[float, float, float],
        *,
        spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
        direction: NDArray[np.float64] | None = None,
        turn: NDArray[np.float64] | None = None,
        centre: tuple[float, float, float] = (12.3, -45.6, 78.9),
    ) -> LabelMap:
        direction = np.eye(3) if direction is None else direction
        size = [int(2 * max(half) / s) + 7 for s in spacing]
        middle = (np.array(size) - 1) / 2 * np.array(spacing)
        origin = np.array(centre) - direction @ middle
        geometry = Geometry.from_parts(shape=tuple(size[::-1]), spacing=spacing, origin=origin, direction=direction)  # type: ignore[arg-type]
        index = np.stack(np.meshgrid(*[np.arange(n) for n in size[::-1]], indexing="ij"), axis=-1)[..., ::-1]
        offset = geometry.index_to_lps(index) - centre
        local = offset if turn is None else offset @ turn
        mask = ((local / np.array(half)) ** 2).sum(axis=-1) <= 1
        return LabelMap(mask.astype(np.uint8), geometry, label_schema(1))

    return build


def rotation(seed: int) -> NDArray[np.float64]:
    """Return a random rotation matrix (3, 3)."""
    matrix, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return np.asarray(matrix * np.sign(np.linalg.det(matrix)))


@pytest.fixture
def rotate() -> Callable[[int], NDArray[np.float64]]:
    return rotation
