"""From the anatomy of a chest to its HU image, sharp and free of noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medheart.phantom._chest import ChestAnatomy, ChestShapes, chest_shapes
from medheart.phantom._fields import Field, Grid, coverage, inner_box, smooth_noise, upsample
from medheart.phantom._skeleton import bones, lung_airways, lung_vessels, sample_points
from medheart.phantom._tubes import draw_tubes

__all__ = ["render_chest"]

_COARSE_MM = 3.0
_TARGETS, _AIRWAY_TARGETS = 4400, 110


def render_chest(rng: np.random.Generator, chest: ChestAnatomy, grid: Grid) -> tuple[Field, NDArray[np.bool_]]:
    """Return the HU image (K, J, I), float32, and where the lungs with their vessels are."""
    coarse = grid.coarse(_COARSE_MM)
    shapes = chest_shapes(chest, coarse, smooth_noise(rng, coarse.shape, coarse.spacing, 28))
    image = _soft_tissue(rng, chest, shapes, grid, coarse)
    lung = coverage(upsample(shapes.lung, grid.shape), grid.edge_mm)
    _blend(image, lung, _parenchyma(rng, chest, grid))
    points = sample_points(rng, shapes.lung, coarse, _TARGETS)
    if len(points):
        _draw_trees(rng, chest, points, image, grid)
    _draw_bones(rng, chest, image, grid)
    _draw_couch(image, grid, chest)
    return image, lung > 0.5


def _blend(image: Field, cover: Field, value: Field | float) -> None:
    """Replace the covered fraction of each voxel by `value`, in place."""
    change = value - image
    change *= cover
    image += change


def _soft_tissue(rng: np.random.Generator, chest: ChestAnatomy, shapes: ChestShapes, grid: Grid, coarse: Grid) -> Field:
    grain = smooth_noise(rng, coarse.shape, coarse.spacing, 12)
    clumps = smooth_noise(rng, coarse.shape, coarse.spacing, 30)
    pericardium = np.maximum(shapes.mediastinum + 2, 3 * (0.9 - clumps)) + grain
    layers: list[tuple[Field, Field | float]] = [
        (shapes.body, 20.0),
        (shapes.body + 2.2, -103 + 6 * grain),
        (np.maximum(shapes.breast + 14 + 5 * grain, shapes.body + 8), 20.0),
        (np.maximum(shapes.muscle, 2.2 * (clumps - 1.1) + grain), 55.0),
        (shapes.cage - 1, -90.0),
        (shapes.abdomen, 50 + 0.35 * chest.contrast_hu + 5 * clumps),
        (np.maximum(pericardium, shapes.cage), 35.0),
        (shapes.blood, 40 + chest.contrast_hu + 2 * grain),
        (shapes.spine, 430 + 60 * grain),
        (shapes.marrow, 170 + 25 * grain),
        (shapes.canal, 25.0),
    ]
    image = np.full(grid.shape, -1000, dtype=np.float32)
    for distance, value in layers:
        box = inner_box(distance, grid.shape, grid.edge_mm)
        cover = coverage(upsample(distance, grid.shape, box), grid.edge_mm)
        _blend(image[box], cover, value if isinstance(value, float) else upsample(value, grid.shape, box))
    return image


def _parenchyma(rng: np.random.Generator, chest: ChestAnatomy, grid: Grid) -> Field:
    """Return the HU of lung tissue without visible vessels: gravity, lobules, emphysema, fissures."""
    z, y, x = grid.axes
    lobules = smooth_noise(rng, grid.shape, grid.spacing, 6.0)
    clouds = smooth_noise(rng, grid.shape, grid.spacing, 40.0)
    tissue = np.float32(-872) + np.float32(0.32) * y + 9 * lobules + 10 * clouds
    if chest.emphysema > 0:
        holes = np.clip(2 * (clouds + lobules - np.float32(2.6 - 14 * chest.emphysema)), 0, 1)
        tissue -= holes * (tissue + 960)
    _, hy, hz = chest.heart
    oblique = (z - hz - 22) + np.float32(1.1) * (hy + 40 - y) + 5 * clouds
    horizontal = np.where((x < 0) & (oblique > 6), z - hz - 30 - 3 * clouds, np.float32(99))
    away = np.minimum(np.abs(oblique) / np.float32(1.5), np.abs(horizontal))
    tissue += np.float32(130) * np.clip(1.1 - away / np.float32(grid.edge_mm), 0, 1)
    return np.asarray(tissue, dtype=np.float32)


def _draw_trees(
    rng: np.random.Generator, chest: ChestAnatomy, points: NDArray[np.float64], image: Field, grid: Grid
) -> None:
    vessels, walls, air = (np.zeros(grid.shape, dtype=np.float32) for _ in range(3))
    for tree in lung_vessels(rng, chest, points):
        draw_tubes(vessels, tree, grid)
    airways = lung_airways(rng, chest, points[:: len(points) // _AIRWAY_TARGETS])
    for wall, lumen in zip(airways.walls(), airways.lumen, strict=True):
        draw_tubes(walls, wall, grid)
        draw_tubes(air, lumen, grid)
    _blend(image, vessels, 35.0 + chest.contrast_hu)
    _blend(image, walls * (1 - vessels), -40.0)
    _blend(image, air, -990.0)


def _draw_bones(rng: np.random.Generator, chest: ChestAnatomy, image: Field, grid: Grid) -> None:
    bone, cartilage = bones(rng, chest)
    for tubes, inset, value in ((cartilage, 0.0, 110.0), (bone, 0.0, 650.0), (bone, -1.4, 220.0)):
        cover = np.zeros(grid.shape, dtype=np.float32)
        for part in tubes:
            draw_tubes(cover, part.grown(1, inset), grid)
        _blend(image, cover, value)


def _draw_couch(image: Field, grid: Grid, chest: ChestAnatomy) -> None:
    _, y, x = (axis[0] for axis in grid.axes)
    top = chest.half_depth + chest.muscle + 10 + chest.fat + 6
    depth = y - (top - (x / 28) ** 2 * 0.55)
    for inner, outer, value in ((0.0, 2.5, -450.0), (2.5, 26.0, -930.0), (26.0, 28.5, -450.0)):
        plate = (depth >= inner) & (depth < outer)
        image[:, plate] = np.maximum(image[:, plate], np.float32(value))
