"""Which grey values are shown."""

from __future__ import annotations

import numpy as np
import pytest

from medheart import Geometry, LabelMap, Volume
from medheart.schema import load_schema
from medheart_reports.windows import Window, choose_window

GRID = Geometry.from_parts(shape=(2, 3, 4), spacing=(1, 1, 1))


def image(modality, **meta):
    return Volume(np.arange(24, dtype=np.int16).reshape(GRID.shape), GRID, modality, meta)


def test_labels_of_the_lung_are_shown_in_the_lung_window():
    labels = LabelMap(np.zeros(GRID.shape, np.uint8), GRID, load_schema("lung-nodule"))
    window = choose_window(image("CT", body_part="ABDOMEN", window=[1, 2]), labels)
    assert (window.name, window.width, window.level) == ("lung", 1500, -600)


@pytest.mark.parametrize(
    ("part", "name", "width", "level"),
    [("CHEST", "mediastinum", 350, 40), ("head", "brain", 80, 35), ("", "abdomen", 350, 50)],
)
def test_ct_without_such_labels_goes_by_the_body_part(part, name, width, level):
    window = choose_window(image("CT", body_part=part))
    assert (window.name, window.width, window.level) == (name, width, level)


def test_other_modalities_take_the_window_of_the_image():
    assert choose_window(image("MR", window=[400, 200])) == Window("image", 300, 500)


def test_other_modalities_without_one_take_percentiles_of_what_is_not_air():
    array = np.zeros((20, 20, 20), np.float32)
    array[5:15, 5:15, 5:15] = np.linspace(100, 200, 1000).reshape(10, 10, 10)
    array[0, 0, 0] = np.nan
    window = choose_window(Volume(array, Geometry.from_parts(shape=array.shape, spacing=(1, 1, 1)), "MR"))
    assert window.name == "percentiles"
    assert (window.low, window.high) == pytest.approx((101, 199.5), abs=1)


def test_a_constant_image_is_shown_without_failing():
    volume = Volume(np.full(GRID.shape, 7, np.int16), GRID, "MR")
    assert choose_window(volume).apply(volume.array).shape == GRID.shape


def test_window_maps_its_ends_to_black_and_white():
    values = np.array([-2000.0, -1350.0, -600.0, 150.0, 3000.0, np.nan])
    assert Window("lung", -1350, 150).apply(values).tolist() == [0, 0, 128, 255, 255, 0]
