"""Drawing a slice: true to scale, labels and lines in place."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from medheart_reports.panels import Panel, draw_panel, stamp

SIZE = 600


def panel(grey, pixel_mm, *, labels=None, crop=None, **more):
    return Panel(grey, labels, {1: (0, 200, 0)}, pixel_mm, crop or (0, 0, *grey.shape), **more)


def centre(bright):
    rows, columns = np.nonzero(bright)
    return columns.mean(), rows.mean()


@pytest.mark.parametrize("pixel_mm", [(1.0, 1.0), (3.0, 0.7), (0.5, 2.0)])
def test_a_circle_in_mm_is_drawn_as_a_circle(pixel_mm):
    shape = tuple(int(120 / mm) for mm in pixel_mm)
    rows, columns = ((np.arange(n) + 0.5) * mm - 60 for n, mm in zip(shape, pixel_mm, strict=True))
    disc = (rows[:, None] ** 2 + columns[None, :] ** 2 <= 40**2).astype(np.uint8)
    picture = np.asarray(draw_panel(panel(np.zeros(shape, np.uint8), pixel_mm, labels=disc), SIZE)).astype(int)
    green = picture[..., 1] - picture[..., 0] > 30
    height = np.ptp(np.flatnonzero(green.any(axis=1))) + 1
    width = np.ptp(np.flatnonzero(green.any(axis=0))) + 1
    assert width / height == pytest.approx(1, abs=0.05)
    assert width == pytest.approx(80 / 120 * SIZE, rel=0.05)


@pytest.mark.parametrize("crop", [None, (4, 6, 20, 30), (-5, -8, 40, 60)])
@pytest.mark.parametrize("pixel_mm", [(1.0, 1.0), (2.5, 0.8)])
def test_a_pixel_is_drawn_where_the_panel_says(crop, pixel_mm):
    grey = np.zeros((30, 44), np.uint8)
    grey[12, 20] = 255
    drawing = panel(grey, pixel_mm, crop=crop)
    picture = np.asarray(draw_panel(drawing, SIZE).convert("L")).copy()
    picture[int(0.88 * SIZE) :] = 0  # the scale bar
    x, y = centre(picture > 140)
    assert (x, y) == pytest.approx(drawing.place(SIZE, 12, 20), abs=1.5)


def test_scale_bar_is_as_long_as_it_says():
    drawing = panel(np.zeros((100, 100), np.uint8), (1.0, 1.0))
    picture = np.asarray(draw_panel(drawing, SIZE).convert("L"))
    row = picture[int(0.955 * SIZE)] > 200
    assert np.ptp(np.flatnonzero(row)) == pytest.approx(20 * drawing.scale(SIZE), abs=4)


def test_lines_end_where_they_were_measured():
    drawing = panel(np.zeros((50, 50), np.uint8), (1.0, 1.0), lines=[((10.0, 5.0), (10.0, 25.0))])
    picture = np.asarray(draw_panel(drawing, SIZE).convert("L"))
    columns = np.flatnonzero((picture[: SIZE // 2] > 200).any(axis=0))
    (left, _), (right, _) = drawing.place(SIZE, 10, 5), drawing.place(SIZE, 10, 25)
    assert (columns.min(), columns.max()) == pytest.approx((left, right), abs=5)


def test_labels_of_several_values_keep_their_colours():
    labels = np.zeros((40, 40), np.uint8)
    labels[5:15, 5:15], labels[20:35, 20:35] = 1, 9
    drawing = Panel(np.zeros((40, 40), np.uint8), labels, {1: (200, 0, 0), 9: (0, 0, 200)}, (1.0, 1.0), (0, 0, 40, 40))
    picture = np.asarray(draw_panel(drawing, 400)).astype(int)
    assert picture[100, 100].argmax() == 0
    assert picture[275, 275].argmax() == 2
    for colour in ((200, 0, 0), (0, 0, 200)):
        assert (picture == colour).all(axis=-1).sum() > 300


def test_stamp_is_written_and_stays_in_its_corner():
    picture = Image.new("RGB", (800, 400))
    stamp(picture, ["仅供科研", "For research only"], 400)
    red = np.asarray(picture)[..., 0] > 120
    rows, columns = np.nonzero(red)
    assert red.sum() > 200
    assert columns.max() < 0.45 * 400
    assert rows.max() < 0.2 * 400
