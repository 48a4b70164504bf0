"""Which pictures a report has, and that they show what they should."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from medheart import Geometry, LabelMap, Volume
from medheart_reports import draw_figures

COLOUR = (213, 94, 0)
STAMP = (255, 128, 110)


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB")).astype(int)


def near(image, colour, tolerance=12):
    return np.abs(image - np.array(colour)).max(axis=-1) <= tolerance


def test_a_report_with_findings_has_all_pictures(written):
    names = [picture.name for picture in written["en"].figures.pictures]
    assert names == ["axial", "coronal", "sagittal", "part-1-1", "part-1-2", "part-1-3", "montage", "surface"]


def test_every_picture_for_research_says_so_and_no_other(written, nodules, build, make_task):
    for picture in written["en"].figures.pictures:
        corner = pixels(picture)[:60, :280]
        assert near(corner, STAMP).sum() > 60, picture.name
    plain = draw_figures(build(*nodules, task=make_task("lung-nodule", "CT")), kinds=["planes", "montage"])
    for picture in plain.pictures:
        assert near(pixels(picture)[:60, :280], STAMP, 4).sum() == 0, picture.name


def test_planes_go_through_the_largest_lesion_and_show_it_on_the_right_side(written):
    """Its centre is 20 mm to the left, 10 mm to the front, 5 mm to the head of the middle."""
    figures = written["en"].figures
    expected = {"axial": (20, -10), "coronal": (20, -5), "sagittal": (-10, -5)}
    for name, (across, down) in expected.items():
        picture = figures.named(name)
        image = pixels(picture)
        rows, columns = np.nonzero(near(image, COLOUR))
        scale = image.shape[0] / 90
        # The outline of the largest ball is a circle round its centre; smaller balls lie in other slices.
        middle = (np.array([rows.min() + rows.max(), columns.min() + columns.max()]) - image.shape[0]) / 2
        assert middle == pytest.approx(np.array([down, across]) * scale, abs=2.6 * scale)
        assert np.ptp(columns) == pytest.approx(24 * scale, rel=0.12)
    assert figures.named("axial").facts["position_mm"] == pytest.approx(5, abs=2.5)


def test_pictures_are_the_same_on_a_turned_grid(nodules, build):
    """The same patient stored with other axis orders and directions looks the same."""
    labels, image = nodules
    upright = draw_figures(build(labels, image, task=None), kinds=["planes"])
    axes, flips = (2, 0, 1), (True, False, True)
    turn = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
    geometry = image.geometry.reoriented(axes, flips)
    turned_image = Volume(np.ascontiguousarray(image.array.transpose(axes)[turn]), geometry, "CT", image.meta)
    turned_labels = LabelMap(np.ascontiguousarray(labels.array.transpose(axes)[turn]), geometry, labels.schema)
    turned = draw_figures(build(turned_labels, turned_image, task=None), kinds=["planes"])
    for name in ("axial", "coronal", "sagittal"):
        assert upright.named(name).facts["position_mm"] == turned.named(name).facts["position_mm"]
        assert np.array_equal(pixels(upright.named(name)), pixels(turned.named(name))), name


def test_without_labels_the_middle_of_the_image_is_shown(nodules, build):
    content = replace(build(*nodules, task=None), labels=None, measurements=None, version=None)
    figures = draw_figures(content)
    assert [picture.name for picture in figures.pictures] == ["axial", "coronal", "sagittal"]
    assert figures.named("axial").facts["slice"] == 16
    assert not near(pixels(figures.named("axial")), COLOUR).any()


def test_an_empty_label_map_shows_the_image_only(nodules, build):
    labels, image = nodules
    figures = draw_figures(build(labels.with_array(np.zeros_like(labels.array)), image, task=None))
    assert [picture.name for picture in figures.pictures] == ["axial", "coronal", "sagittal"]


def test_without_orientation_no_letter_is_drawn(nodules, build):
    labels, image = nodules
    assumed = replace(image, meta={**image.meta, "warnings": ["orientation-assumed"]})
    edge = {}
    for name, volume in (("known", image), ("assumed", assumed)):
        picture = draw_figures(build(labels, volume, task=None), kinds=["planes"]).named("axial")
        edge[name] = (pixels(picture)[330:390, 5:60] > 240).all(axis=-1).sum()
    assert edge["known"] > 20
    assert edge["assumed"] == 0


def boxed(shape, schema):
    """Return labels and MR image of a box on an oblique, left-handed grid."""
    direction, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    direction[:, 2] *= -np.sign(np.linalg.det(direction))
    geometry = Geometry.from_parts(shape=shape, spacing=(0.8, 1.1, 4.0), direction=direction)
    array = np.zeros(shape, np.uint8)
    array[:, 10:25, 12:30] = 1
    return LabelMap(array, geometry, schema), Volume(array * 100.0, geometry, "MR")


def test_an_oblique_left_handed_grid_is_drawn(build, nodules):
    labels, image = boxed((12, 40, 50), nodules[0].schema)
    assert image.geometry.is_left_handed
    figures = draw_figures(build(labels, image, task=None))
    assert {"axial", "coronal", "sagittal", "surface", "montage"} <= {picture.name for picture in figures.pictures}


def test_of_a_single_slice_only_its_plane_is_shown(build, nodules):
    labels, image = boxed((1, 40, 50), nodules[0].schema)
    figures = draw_figures(build(labels, image, task=None), kinds=["planes", "space"])
    assert len(figures.pictures) == 1


def test_an_unknown_kind_of_picture_is_refused(nodules, build):
    with pytest.raises(ValueError, match="kinds of pictures"):
        draw_figures(build(*nodules, task=None), kinds=["films"])


def test_every_tile_of_the_montage_shows_a_label(nodules, build):
    labels, image = nodules
    (montage,) = draw_figures(build(labels, image, task=None), kinds=["montage"]).pictures
    sheet = pixels(montage)
    assert montage.facts["count"] == 8
    for number in range(8):
        top, left = number // 4 * 300, number % 4 * 300
        assert near(sheet[top : top + 300, left : left + 300], COLOUR).any(), number
