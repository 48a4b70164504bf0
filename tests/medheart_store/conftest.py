"""A store with one image, and labels for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medheart.geometry import Geometry
from medheart.records import Series, Study
from medheart.schema import Code, LabelClass, LabelSchema
from medheart.volume import LabelMap, Volume
from medheart_store import Store

SHAPE = (40, 34, 33)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def schema() -> LabelSchema:
    """Two labels whose values are not 1..N."""
    category, kind = Code("SCT", "123037004", "Anatomical Structure"), Code("SCT", "10200004", "Liver")
    return LabelSchema(
        "liver-tumour",
        "1",
        (
            LabelClass(1, "liver", {"en": "Liver"}, category, kind, (200, 100, 50)),
            LabelClass(7, "tumour", {"en": "Tumour"}, category, kind, (20, 200, 50)),
        ),
    )


@pytest.fixture
def geometry() -> Geometry:
    """An oblique, anisotropic, left-handed grid."""
    angle = np.deg2rad(20)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, -1]])
    return Geometry.from_parts(shape=SHAPE, spacing=(0.7, 0.8, 2.5), origin=(-10, 20, 30), direction=turn)


@pytest.fixture
def volume(geometry: Geometry) -> Volume:
    voxels = np.random.default_rng(3).integers(-1000, 2000, SHAPE).astype(np.int16)
    return Volume(voxels, geometry, "CT", {"body_part": "ABDOMEN", "window": [40, 350]})


@pytest.fixture
def store(tmp_path: Path, volume: Volume, clock: Clock) -> Iterator[Store]:
    with Store.open(tmp_path / "store", clock=clock) as opened:
        opened.add_study(Study("study-1", "pseudo-1", "2026-01-02", "CT abdomen"))
        opened.add_series(Series("image-1", "study-1", "CT", "ABDOMEN", "portal venous", "", {}), volume)
        yield opened


@pytest.fixture
def label(geometry: Geometry, schema: LabelSchema) -> Callable[..., LabelMap]:
    """Return a function from boxes ((k0, k1, j0, j1, i0, i1, value), …) to a label map."""

    def make(*boxes: tuple[int, ...], dtype: Any = np.uint8) -> LabelMap:
        array = np.zeros(SHAPE, dtype)
        for k0, k1, j0, j1, i0, i1, value in boxes:
            array[k0:k1, j0:j1, i0:i1] = value
        return LabelMap(array, geometry, schema)

    return make
