"""Lesions put into images: where they may go, what they change, and that nothing else changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from medheart.errors import GeometryError
from medheart.geometry import Geometry
from medheart.phantom import (
    brain_mask,
    flipped,
    insert_glioma,
    insert_nodules,
    lung_mask,
    random_geometry,
    tumour_labels,
    turned,
)
from medheart.phantom._blob import Blob
from medheart.phantom._nodule import Nodule, render_nodule, sample_nodule
from medheart.phantom.glioma import render_glioma, sample_glioma
from medheart.volume import Volume

UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def load(path: Path, modality: str) -> Volume:
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.load(path)
    array = np.asanyarray(image.dataobj).transpose(2, 1, 0)
    return Volume(array, Geometry.from_ras(array.shape, image.affine), modality)


def nodule(density: str = "solid") -> Nodule:
    body = Blob((20.3, 21.4, 22.2), (7.0, 6.0, 8.0), UPRIGHT)
    return Nodule(body, density, "smooth", (), 40.0, 250.0, 0.5, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.6, 0.8, 1.5)])
def test_a_rendered_ellipsoid_has_the_volume_of_the_formula(spacing: tuple[float, float, float]) -> None:
    shape = tuple(int(45 / s) for s in spacing[::-1])
    image = np.full(shape, -850, dtype=np.float32)
    mask = render_nodule(image, spacing, nodule(), np.ones(shape, dtype=bool), edge_mm=1.0)
    assert mask.sum() * np.prod(spacing) == pytest.approx(4 / 3 * np.pi * 7 * 6 * 8, rel=0.02)
    np.testing.assert_allclose(
        [np.mean(axis) * s for axis, s in zip(np.nonzero(mask), spacing[::-1], strict=True)],
        (22.2, 21.4, 20.3),
        atol=0.3,
    )
    assert np.median(image[ndimage.binary_erosion(mask, iterations=2)]) == pytest.approx(40, abs=25)


def test_ground_glass_is_between_lung_and_solid_and_a_part_solid_one_has_a_core() -> None:
    seen = {}
    for density in ("ground-glass", "part-solid", "solid"):
        image = np.full((44, 44, 44), -850, dtype=np.float32)
        mask = render_nodule(image, (1, 1, 1), nodule(density), np.ones(image.shape, dtype=bool), edge_mm=1)
        seen[density] = image[mask]
    assert -750 < np.median(seen["ground-glass"]) < -450
    assert seen["ground-glass"].max() < -200
    assert (seen["part-solid"] > -100).any()
    assert np.median(seen["part-solid"]) < -300
    assert np.median(seen["solid"]) > -50


def test_a_nodule_stays_inside_the_lung() -> None:
    image = np.full((44, 44, 44), -850, dtype=np.float32)
    lung = np.zeros(image.shape, dtype=bool)
    lung[:, :, 20:] = True
    mask = render_nodule(image, (1, 1, 1), nodule(), lung, edge_mm=1)
    assert mask.any()
    assert not mask[~lung].any()
    assert (image[~lung] == -850).all()


def test_sampled_nodules_cover_the_wanted_sizes_kinds_and_margins() -> None:
    rng = np.random.default_rng(0)
    drawn = [sample_nodule(rng, diameter_mm=(4, 25)) for _ in range(300)]
    sizes = [n.body.diameter_mm for n in drawn]
    assert 4 <= min(sizes) < 6
    assert 20 < max(sizes) <= 25
    assert {n.density for n in drawn} == {"solid", "part-solid", "ground-glass"}
    assert {n.margin for n in drawn} == {"smooth", "lobulated", "spiculated"}
    assert all(bool(n.spicules) == (n.margin == "spiculated") for n in drawn)


@pytest.mark.parametrize("case", ["lidc_0314_ct", "4dlung_p113_ct"])
def test_nodules_in_a_real_chest(test_data: Callable[[str], Path], case: str) -> None:
    volume = load(test_data(f"ct/lung/{case}.nii.gz"), "CT")
    before = volume.array.copy()
    lungs = lung_mask(volume)
    assert lungs.sum() * volume.geometry.voxel_volume_mm3 / 1e6 == pytest.approx(4.25, abs=2.75)
    result, mask = insert_nodules(volume, lungs, np.random.default_rng(2), 5, diameter_mm=(8, 20))
    np.testing.assert_array_equal(volume.array, before)
    assert result.array.dtype == volume.array.dtype
    assert result.geometry == volume.geometry
    assert ndimage.label(mask, np.ones((3, 3, 3)))[1] == 5
    assert lungs[mask].all()
    assert np.median(result.array[mask]) > np.median(volume.array[lungs]) + 100
    changed = result.array != volume.array
    assert not changed[~lungs].any()
    assert ndimage.distance_transform_edt(~mask, sampling=volume.geometry.spacing_kji)[changed].max() < 15


def test_a_real_nodule_lies_in_the_lung_mask(test_data: Callable[[str], Path]) -> None:
    volume = load(test_data("ct/lung/lidc_0314_ct.nii.gz"), "CT")
    facts = json.loads(test_data("ct/lung/lidc_0314_nodule.json").read_text())
    i, j, k = np.rint(volume.geometry.lps_to_index(facts["center_lps_mm"])).astype(int)
    assert lung_mask(volume)[k - 3 : k + 4, j - 3 : j + 4, i - 3 : i + 4].any()


def test_a_mask_of_another_shape_is_refused() -> None:
    volume = Volume(np.zeros((4, 5, 6), dtype=np.int16), Geometry((4, 5, 6), np.eye(4)), "CT")
    with pytest.raises(GeometryError, match=r"\(3, 3, 3\)"):
        insert_nodules(volume, np.zeros((3, 3, 3), dtype=bool), np.random.default_rng(0), 1)
    with pytest.raises(GeometryError, match="one grid"):
        insert_glioma(volume, None, np.zeros((3, 3, 3), dtype=bool), np.random.default_rng(0))
    with pytest.raises(GeometryError, match="empty"):
        insert_glioma(volume, None, np.zeros((4, 5, 6), dtype=bool), np.random.default_rng(0))


def test_a_chest_without_air_has_no_lungs() -> None:
    volume = Volume(np.full((20, 40, 40), 40, dtype=np.int16), Geometry((20, 40, 40), np.diag([5.0, 5, 5, 1])), "CT")
    assert not lung_mask(volume).any()


def test_a_glioma_in_a_real_brain(test_data: Callable[[str], Path]) -> None:
    flair = load(test_data("mr/brats2013/brats_2013_pat0005_1_flair.nii.gz"), "MR")
    t1c = load(test_data("mr/brats2013/brats_2013_pat0005_1_t1c.nii.gz"), "MR")
    brain = brain_mask(flair)
    assert brain.sum() * flair.geometry.voxel_volume_mm3 / 1e6 == pytest.approx(1.4, abs=0.4)
    bright, enhanced, parts = insert_glioma(flair, t1c, brain, np.random.default_rng(8))
    assert enhanced is not None
    assert bright.array.dtype == flair.array.dtype
    assert set(np.unique(parts)) <= {0, 1, 2, 3, 4}
    assert brain[parts > 0].all()
    assert (bright.array != flair.array)[parts > 0].mean() > 0.9
    far = ndimage.distance_transform_edt(parts == 0) > 25
    np.testing.assert_array_equal(bright.array[far], flair.array[far])
    np.testing.assert_array_equal(enhanced.array[far], t1c.array[far])


def test_the_parts_of_a_high_grade_glioma_lie_in_shells() -> None:
    rng = np.random.default_rng(0)
    brain = np.ones((70, 70, 70), dtype=bool)
    glioma = next(g for g in iter(lambda: sample_glioma(rng, (70.0, 70.0, 70.0)), None) if g.grade == "high")
    images = {role: rng.normal(100, 10, brain.shape).astype(np.float32) for role in ("flair", "t1c")}
    copies = {role: image.copy() for role, image in images.items()}
    parts = render_glioma(images, (2.0, 2.0, 2.0), glioma, brain)
    centre = np.array([35, 35, 35])
    away = {n: np.linalg.norm(np.argwhere(parts == n) - centre, axis=1).mean() for n in (1, 2, 4) if (parts == n).any()}
    assert away[1] < away[4] < away[2]
    np.testing.assert_array_equal(render_glioma(copies, (2.0, 2.0, 2.0), glioma, brain), parts)
    np.testing.assert_array_equal(copies["flair"], images["flair"])


def test_parts_become_the_labels_of_the_schema() -> None:
    parts = np.array([[[0, 1, 2, 3, 4]]], dtype=np.uint8)
    labels = tumour_labels(parts, Geometry((1, 1, 5), np.eye(4)))
    names = [labels.schema.by_value(int(v)).name for v in labels.array.ravel()[1:]]
    assert names == ["tumour_non_enhancing", "oedema", "tumour_non_enhancing", "tumour_enhancing"]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_flipped_image_keeps_every_voxel_in_its_place(axis: int) -> None:
    rng = np.random.default_rng(axis)
    grid = random_geometry(rng, (4, 5, 6))
    volume = Volume(rng.integers(0, 99, (4, 5, 6)), grid)
    other = flipped(volume, axis)
    assert other.geometry.is_left_handed != grid.is_left_handed
    for k, j, i in np.ndindex(4, 5, 6):
        place = np.rint(other.geometry.lps_to_index(grid.index_to_lps((i, j, k)))).astype(int)
        assert other.array[tuple(place[::-1])] == volume.array[k, j, i]


def test_a_turned_image_is_turned_about_the_origin() -> None:
    rng = np.random.default_rng(1)
    volume = Volume(rng.integers(0, 99, (4, 5, 6)), random_geometry(rng, (4, 5, 6)))
    rotation, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    point = turned(volume, rotation).geometry.index_to_lps((1, 2, 3))
    np.testing.assert_allclose(point, rotation @ volume.geometry.index_to_lps((1, 2, 3)), atol=1e-9)


@pytest.mark.parametrize("left", [False, True])
def test_random_geometry_has_the_handedness_asked_for(left: bool) -> None:
    for seed in range(20):
        assert random_geometry(np.random.default_rng(seed), (3, 4, 5), left_handed=left).is_left_handed is left
