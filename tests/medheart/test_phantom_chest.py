from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medheart.phantom import chest_ct, lung_mask
from medheart.volume import LabelMap, Volume

SPACING, SHAPE = (2.6, 2.6, 2.8), (108, 136, 136)


@pytest.fixture(scope="module")
def chest() -> tuple[Volume, LabelMap]:
    return chest_ct(11, spacing=SPACING, shape=SHAPE, nodules=4)


def test_the_same_seed_gives_the_same_chest_and_another_gives_another(chest: tuple[Volume, LabelMap]) -> None:
    again = chest_ct(11, spacing=SPACING, shape=SHAPE, nodules=4)
    other = chest_ct(12, spacing=SPACING, shape=SHAPE, nodules=4)
    assert [part.digest for part in again] == [part.digest for part in chest]
    assert other[0].digest != chest[0].digest


def test_grid_type_and_description(chest: tuple[Volume, LabelMap]) -> None:
    volume, labels = chest
    assert volume.array.dtype == np.int16
    assert volume.array.shape == SHAPE
    assert volume.geometry.orientation == "LPS"
    np.testing.assert_allclose(volume.geometry.spacing, SPACING)
    middle = volume.geometry.index_to_lps([(n - 1) / 2 for n in volume.geometry.size_ijk])
    np.testing.assert_allclose(middle, (0, 5, 0), atol=1e-9)
    assert labels.geometry == volume.geometry
    assert (volume.modality, volume.meta["body_part"]) == ("CT", "CHEST")


def test_tissues_have_the_hounsfield_units_of_a_chest(chest: tuple[Volume, LabelMap]) -> None:
    volume, _ = chest
    lungs = lung_mask(volume)
    litres = lungs.sum() * volume.geometry.voxel_volume_mm3 / 1e6
    assert 2.0 < litres < 7.5
    assert -900 < np.median(volume.array[lungs]) < -800
    assert np.abs(np.median(volume.array[:, :3, :3]) + 1000) < 20
    liver = volume.array[3:8, 60:70, 45:55]
    assert 20 < np.median(liver) < 130
    assert (volume.array > 350).sum() * volume.geometry.voxel_volume_mm3 > 100e3
    fat = np.count_nonzero((volume.array > -130) & (volume.array < -70))
    muscle = np.count_nonzero((volume.array > 20) & (volume.array < 90))
    assert fat > 0.02 * volume.array.size
    assert muscle > 0.05 * volume.array.size


def test_lung_tissue_is_denser_at_the_back_than_in_front(chest: tuple[Volume, LabelMap]) -> None:
    volume, _ = chest
    lungs = ndimage.binary_erosion(lung_mask(volume), iterations=3)
    rows = np.nonzero(lungs)[1]
    front, back = np.quantile(rows, [0.1, 0.9])
    row = np.arange(SHAPE[1])[None, :, None]
    assert np.median(volume.array[lungs & (row > back)]) > np.median(volume.array[lungs & (row < front)]) + 15


def test_nodules_are_apart_inside_the_lungs_and_of_the_wanted_size(chest: tuple[Volume, LabelMap]) -> None:
    volume, labels = chest
    parts, count = ndimage.label(labels.array, np.ones((3, 3, 3)))
    assert count in range(1, 5)
    near = ndimage.binary_dilation(lung_mask(volume), iterations=5)
    assert near[labels.mask(1)].mean() > 0.95
    volumes = np.bincount(parts.ravel())[1:] * volume.geometry.voxel_volume_mm3
    assert (2 * (volumes * 0.75 / np.pi) ** (1 / 3)).max() < 33


def test_nodules_can_be_seen(chest: tuple[Volume, LabelMap]) -> None:
    volume, labels = chest
    assert np.median(volume.array[labels.mask(1)]) > -700


def test_the_build_does_not_depend_on_the_grid() -> None:
    litres = []
    for spacing, shape in (((3.2, 3.2, 3.2), (96, 110, 110)), ((2.6, 3.0, 4.0), (77, 118, 136))):
        volume, _ = chest_ct(4, spacing=spacing, shape=shape, nodules=0)
        litres.append(lung_mask(volume).sum() * volume.geometry.voxel_volume_mm3 / 1e6)
    assert litres[0] == pytest.approx(litres[1], rel=0.06)


def test_a_small_field_of_view_without_lung_has_no_nodules() -> None:
    _, labels = chest_ct(1, spacing=(2, 2, 2), shape=(16, 16, 16), centre_mm=(0.0, 0.0, -170.0), nodules=3)
    assert labels.counts == {}
