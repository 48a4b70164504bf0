from __future__ import annotations

import numpy as np
import pytest

from medheart.errors import GeometryError
from medheart.geometry import Geometry
from medheart.overlap import dice, dice_per_label
from medheart.schema import Code, LabelClass, LabelSchema
from medheart.volume import LabelMap

CODE = Code("SCT", "85756007", "Tissue")
SCHEMA = LabelSchema("two", "1", tuple(LabelClass(v, f"label{v}", {}, CODE, CODE, (1, 2, 3)) for v in (2, 7)))
GRID = Geometry.from_parts(shape=(1, 2, 4), spacing=(1, 1, 1))


def label_map(*rows: list[int]) -> LabelMap:
    return LabelMap(np.array([rows], np.uint8), GRID, SCHEMA)


def test_identical_masks_of_any_value_score_one() -> None:
    labels = label_map([2, 2, 0, 7], [0, 0, 0, 7])
    assert dice_per_label(labels, labels) == {2: 1.0, 7: 1.0}


def test_half_overlap_by_the_closed_form() -> None:
    first, second = label_map([2, 2, 2, 2], [0] * 4), label_map([0, 0, 2, 2], [2, 2, 0, 0])
    assert dice_per_label(first, second) == {2: 0.5, 7: 1.0}


def test_arrays_that_are_not_boolean_are_refused() -> None:
    with pytest.raises(GeometryError, match="uint8"):
        dice(np.ones((1, 1, 1), np.uint8), np.ones((1, 1, 1), bool))  # type: ignore[arg-type]


def test_other_grids_are_refused() -> None:
    labels = label_map([2] * 4, [2] * 4)
    moved = LabelMap(labels.array, Geometry.from_parts(shape=(1, 2, 4), spacing=(1, 1, 2)), SCHEMA)
    with pytest.raises(GeometryError):
        dice_per_label(labels, moved)
