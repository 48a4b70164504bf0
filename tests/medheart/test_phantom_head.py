from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medheart.overlap import dice
from medheart.phantom import brain_mask, brain_mr
from medheart.schema import load_schema
from medheart.volume import LabelMap, Volume

SPACING, SHAPE = (2.0, 2.0, 2.0), (84, 106, 90)
Head = tuple[dict[str, Volume], LabelMap]


@pytest.fixture(scope="module")
def head() -> Head:
    return brain_mr(3, spacing=SPACING, shape=SHAPE)


@pytest.fixture(scope="module")
def stripped() -> Head:
    return brain_mr(3, spacing=SPACING, shape=SHAPE, skull=False)


def test_the_same_seed_gives_the_same_head(head: Head) -> None:
    images, labels = brain_mr(3, spacing=SPACING, shape=SHAPE)
    assert {role: image.digest for role, image in images.items()} == {r: i.digest for r, i in head[0].items()}
    assert labels.digest == head[1].digest


def test_both_sequences_and_the_labels_lie_on_one_grid(head: Head) -> None:
    images, labels = head
    assert set(images) == {"flair", "t1c"}
    for image in images.values():
        assert image.array.dtype == np.int16
        assert image.geometry == labels.geometry
        assert (image.modality, image.meta["body_part"]) == ("MR", "BRAIN")
    assert labels.schema is load_schema("brain-tumour")


def test_fluid_is_dark_in_flair_and_scalp_bright(head: Head, stripped: Head) -> None:
    inside = stripped[0]["flair"].array > 0
    values = head[0]["flair"].array[inside].astype(float)
    assert np.percentile(values, 3) < 0.55 * np.median(values)
    outside = ~ndimage.binary_dilation(inside, iterations=2)
    assert np.percentile(head[0]["flair"].array[outside], 99) > np.median(values)


def test_oedema_is_bright_in_flair_and_the_rim_in_contrast_t1() -> None:
    schema = load_schema("brain-tumour")
    oedema, rim = schema.by_name("oedema").value, schema.by_name("tumour_enhancing").value
    seen = 0
    for seed in range(4):
        images, labels = brain_mr(seed, spacing=SPACING, shape=SHAPE, skull=False)
        healthy = (labels.array == 0) & (images["flair"].array > 0)
        for value, role in ((oedema, "flair"), (rim, "t1c")):
            core = ndimage.binary_erosion(labels.mask(value))
            if core.sum() > 30:
                seen += 1
                assert np.median(images[role].array[core]) > 1.08 * np.median(images[role].array[healthy])
    assert seen >= 4


def test_a_stripped_head_has_no_background_and_a_brain_of_human_size(stripped: Head) -> None:
    image = stripped[0]["t1c"]
    assert image.array[0, 0, 0] == 0
    litres = np.count_nonzero(image.array) * image.geometry.voxel_volume_mm3 / 1e6
    assert litres == pytest.approx(1.45, abs=0.45)


def test_the_brain_is_found_under_skull_and_scalp(head: Head, stripped: Head) -> None:
    truth = ndimage.binary_fill_holes(stripped[0]["flair"].array > 0)
    assert dice(brain_mask(head[0]["flair"]), truth) > 0.93
    assert dice(brain_mask(stripped[0]["flair"]), truth) > 0.999


def test_without_lesions_there_are_no_labels() -> None:
    _, labels = brain_mr(5, spacing=(4, 4, 4), shape=(40, 52, 44), lesions=0)
    assert labels.counts == {}
