from __future__ import annotations

import numpy as np

from medheart import Geometry
from medheart_models.postprocessing import postprocess

GRID = Geometry.from_parts(shape=(10, 10, 10), spacing=(2, 1, 1))


def two_parts() -> np.ndarray:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[0:3, 0:3, 0:3] = 1
    labels[3, 0:3, 0:3] = 2
    labels[8:10, 8:10, 8:10] = 2
    return labels


def test_the_largest_component_of_all_labels_together_stays() -> None:
    labels = two_parts()
    cleaned = postprocess(labels, GRID, {"keep_largest": True, "minimum_component_mm3": 0})
    assert np.array_equal(cleaned[:8], labels[:8])
    assert not cleaned[8:].any()


def test_small_components_go_by_their_volume_in_mm3() -> None:
    labels = two_parts()  # 36 and 8 voxels of 2 mm³
    for limit, left in ((16.0, 2), (16.1, 1), (72.1, 0)):
        cleaned = postprocess(labels, GRID, {"keep_largest": False, "minimum_component_mm3": limit})
        assert bool(cleaned[9, 9, 9]) + bool(cleaned[0, 0, 0]) == left


def test_an_empty_array_stays_empty_and_the_input_untouched() -> None:
    labels = np.zeros(GRID.shape, np.uint8)
    assert not postprocess(labels, GRID, {"keep_largest": True, "minimum_component_mm3": 5}).any()
    full = two_parts()
    postprocess(full, GRID, {"keep_largest": True, "minimum_component_mm3": 0})
    assert np.array_equal(full, two_parts())
