"""What is known of a series."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medheart import Geometry, Volume
from medheart_io import read_image
from medheart_models.facts import AeratedLung, aerated_lung, looks_hounsfield, mentions

Data = Callable[[str], Path]


def test_lungs_of_the_phantom_are_found_and_a_bottle_is_not() -> None:
    geometry = Geometry.from_parts(shape=(60, 60, 60), spacing=(5, 5, 5))
    k, j, i = np.indices((60, 60, 60)) * 5.0
    body = np.where(np.hypot(i - 150, j - 150) < 120, 40, -1000)
    lung = np.where((np.hypot(i - 150, j - 150) < 60) & (abs(k - 150) <= 100), -800, body)
    found = aerated_lung(Volume(lung.astype(np.int16), geometry, "CT"))
    assert found.volume_ml == pytest.approx(np.pi * 6**2 * 20.5, rel=0.05)
    assert found.height_mm == pytest.approx(205, abs=5)
    bottle = np.where(lung == -800, -1000, lung)
    assert aerated_lung(Volume(bottle.astype(np.int16), geometry, "CT")).volume_ml == 0
    assert aerated_lung(Volume(body.astype(np.int16), geometry, "CT")) == AeratedLung(0, 0)


def test_lungs_are_found_in_any_orientation() -> None:
    geometry = Geometry.from_parts(shape=(40, 50, 60), spacing=(5, 5, 5))
    array = np.full((40, 50, 60), 40, np.int16)
    array[:, 15:30, 15:30] = -800  # open to head and feet
    upright = aerated_lung(Volume(array, geometry, "CT"))
    axes = (2, 0, 1)
    turned = Volume(np.transpose(array, axes), geometry.reoriented(axes, (False, False, False)), "CT")
    assert aerated_lung(turned) == upright
    assert upright.height_mm == 200


def test_hounsfield_units_are_recognised(test_data: Data) -> None:
    assert looks_hounsfield(read_image(test_data("ct/lung/lidc_0314_ct.nii.gz")).array)
    assert not looks_hounsfield(read_image(test_data("mr/hippocampus/images/hippocampus_001.nii.gz")).array)
    assert not looks_hounsfield(np.zeros((3, 3, 3)))


@pytest.mark.parametrize(
    ("description", "word", "found"),
    [
        ("AX_T2-FLAIR", "flair", True),
        ("t1c", "t1", False),
        ("T1 Post Gd", "t1 post", True),
        ("", "t1", False),
        ("胸部 CT", "胸部", True),
        ("胸部CT", "胸部", True),
        ("轴位T1加权", "t1", True),
        ("轴位T1C", "t1", False),
    ],
)
def test_words_are_whole_words(description: str, word: str, found: bool) -> None:
    assert mentions(description, word) is found
