from __future__ import annotations

from dataclasses import replace

import numpy as np

from medheart import Geometry, Volume
from medheart_models.cropping import cropped_geometry, lung_box, whole
from medheart_models.preprocessing import prepare, prepare_labels, restore
from medheart_models.tasks import load_task

GRID = Geometry.from_parts(shape=(60, 70, 90), spacing=(4, 4, 5), origin=(-180, -140, 30))


def chest(*, left_lung: float = -850) -> np.ndarray:
    """Return a body with two lungs, low columns being the patient's right; the left one may hold no air."""
    array = np.full(GRID.shape, -1000, np.int16)
    array[:, 10:60, 10:80] = 40
    array[20:45, 20:50, 18:40] = -850
    array[25:40, 22:48, 52:72] = left_lung
    return array


def test_the_box_holds_both_lungs_and_little_else() -> None:
    box = lung_box(chest(), GRID, margin_mm=8)
    assert (box[0].start, box[0].stop) == (20 - 2, 45 + 2)
    assert (box[1].start, box[1].stop) == (20 - 2, 50 + 2)
    assert box[2].start == 18 - 2
    assert 72 <= box[2].stop <= 76


def test_a_lung_without_air_stays_inside() -> None:
    box = lung_box(chest(left_lung=30), GRID, margin_mm=8)
    assert box[2].start <= 18
    assert box[2].stop >= 72


def test_without_lungs_nothing_is_cut() -> None:
    body = np.where(chest() == -850, 40, chest())
    assert lung_box(body, GRID, margin_mm=8) == whole(GRID.shape)


def test_the_cropped_grid_keeps_every_voxel_at_its_place() -> None:
    box = (slice(3, 20), slice(5, 9), slice(11, 40))
    crop = cropped_geometry(GRID, box)
    assert crop.shape == (17, 4, 29)
    assert np.allclose(crop.index_to_lps([[2, 1, 4]]), GRID.index_to_lps([[13, 6, 7]]))


def test_labels_in_a_cropped_image_return_to_their_voxels() -> None:
    task = load_task("lung-nodule")
    task = replace(task, preprocessing={**task.preprocessing, "spacing_mm": [4.0, 4.0, 5.0]})
    for flip in (1, -1):  # stored from right to left and from left to right
        array = chest()[:, :, ::flip]
        affine = GRID.affine.copy()
        affine[:3, 0] *= flip
        labels = np.zeros(GRID.shape, np.uint8)
        labels[30:33, 30:35, 20:26] = 1
        prepared = prepare([Volume(array, Geometry(GRID.shape, affine), "CT")], task)
        assert np.prod(prepared.geometry.shape) < 0.5 * array.size
        inside = prepare_labels(labels, prepared)
        scores = np.stack([inside == n for n in range(2)]).astype(np.float32)
        assert np.array_equal(restore(scores, prepared), labels)
