"""The table that the main job prints."""

from __future__ import annotations

import numpy as np

from medheart.geometry import Geometry
from medheart.schema import load_schema
from medheart.volume import LabelMap
from medheart_cli.verbs._results import _rows
from medheart_measure import measure


def test_parts_that_are_not_listed_are_counted() -> None:
    array = np.zeros((20, 20, 20), np.uint8)
    for n in range(7):
        array[n * 2 + 1, 2 : 5 + n, 2:5] = 1
    grid = Geometry.from_parts(shape=array.shape, spacing=(1, 1, 1), origin=(0, 0, 0))
    rows = _rows(measure(LabelMap(array, grid, load_schema("lung-nodule"))))
    assert [row[1] for row in rows] == ["7", *[""] * 6]
    assert [row[0].strip() for row in rows[1:6]] == ["1", "2", "3", "4", "5"]
    assert rows[6][0].strip().startswith("2 ")
