"""Anatomy of the chest phantom: sampled parameters, and organs as signed distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medheart.phantom._fields import Field, Grid, soft_max

__all__ = ["ChestAnatomy", "ChestShapes", "chest_shapes", "sample_chest"]

_ALL = np.float32(1e3)


@dataclass(frozen=True)
class ChestAnatomy:
    """Size and build of a chest; lengths in mm, centre of the chest at (0, 0, 0), LPS.

    Parameters
    ----------
    half_width, half_depth, apex, base : float
        Inside of the rib cage: semi-axes at its widest, z of the lung tops and of the diaphragm's edge.
    fat, muscle : float
        Thickness under the skin, and between fat and ribs.
    heart : tuple of float
        Centre of the heart.
    heart_size : float
        Factor on the heart's semi-axes.
    domes : tuple of float
        Height of the right and the left dome of the diaphragm above `base`.
    breasts : float
        Thickness of breast tissue, 0 for none.
    contrast_hu : float
        HU that contrast medium adds to the blood, 0 without.
    emphysema : float
        Share of destroyed lung, 0..0.15.
    """

    half_width: float
    half_depth: float
    apex: float
    base: float
    fat: float
    muscle: float
    heart: tuple[float, float, float]
    heart_size: float
    domes: tuple[float, float]
    breasts: float
    contrast_hu: float
    emphysema: float


def sample_chest(rng: np.random.Generator) -> ChestAnatomy:
    """Draw the build of one patient."""
    scale = float(rng.uniform(0.9, 1.1))
    chest = ChestAnatomy(
        half_width=118 * scale * float(rng.uniform(0.95, 1.05)),
        half_depth=82 * scale * float(rng.uniform(0.92, 1.08)),
        apex=125 * scale,
        base=-125 * scale * float(rng.uniform(0.88, 1.0)),
        fat=float(rng.gamma(3.0, 3.5)) + 4,
        muscle=float(rng.uniform(9, 15)),
        heart=(float(rng.uniform(16, 26)), float(rng.uniform(-32, -22)), float(rng.uniform(-62, -48)) * scale),
        heart_size=scale * float(rng.uniform(0.88, 1.08)),
        domes=(float(rng.uniform(45, 62)), float(rng.uniform(34, 50))),
        breasts=float(rng.uniform(12, 40)) if rng.random() < 0.5 else 0.0,
        contrast_hu=float(rng.choice([0.0, 0.0, 90.0, 180.0])),
        emphysema=max(0.0, float(rng.normal(-0.01, 0.05))),
    )
    # Drawn for nobody: images of older seeds stay what they were.
    rng.integers(2**31)
    return chest


@dataclass(frozen=True, eq=False)
class ChestShapes:
    """Signed distances in mm, negative inside, each (K, J, I) on one coarse grid."""

    body: Field
    muscle: Field
    cage: Field
    lung: Field
    abdomen: Field
    blood: Field
    mediastinum: Field
    spine: Field
    canal: Field
    marrow: Field
    breast: Field


def _ellipse(x: Field, y: Field, a: Field | float, b: Field | float, power: float = 2.0) -> Field:
    """Approximate signed distance to a superellipse in the axial plane."""
    rho = (np.abs(x / a) ** power + np.abs(y / b) ** power) ** (1 / power)
    return np.asarray((rho - 1) * np.minimum(a, b), dtype=np.float32)


def _ball(z: Field, y: Field, x: Field, centre: tuple[float, float, float], semi: tuple[float, float, float]) -> Field:
    rho = np.sqrt(
        ((x - centre[0]) / semi[0]) ** 2 + ((y - centre[1]) / semi[1]) ** 2 + ((z - centre[2]) / semi[2]) ** 2
    )
    return np.asarray((rho - 1) * min(semi), dtype=np.float32)


def spine_line(z: Field, chest: ChestAnatomy) -> Field:
    """Return y in mm of the centre of the vertebral bodies at height z (kyphosis)."""
    return np.asarray(chest.half_depth * 0.66 + 10 * np.cos(z / 110) - 6, dtype=np.float32)


def cage_size(z: Field, chest: ChestAnatomy) -> tuple[Field, Field]:
    """Return the semi-axes (x, y) in mm of the inside of the rib cage at height z."""
    down = np.clip((chest.apex - z) / (chest.apex - chest.base), 0.0, None)
    profile = np.sqrt(np.clip(1 - np.clip(1 - down / 0.62, 0, 1) ** 2.2, 1e-4, 1))
    wide = chest.half_width * (0.12 + 0.88 * profile)
    deep = chest.half_depth * (0.2 + 0.8 * profile ** np.float32(0.8))
    return np.asarray(wide, dtype=np.float32), np.asarray(deep, dtype=np.float32)


def chest_shapes(
    chest: ChestAnatomy,
    grid: Grid,
    warp: Field,
) -> ChestShapes:
    """Compute all organs on a coarse grid.

    Parameters
    ----------
    grid : Grid
        Coarse grid; (0, 0, 0) is the middle of the chest.
    warp : numpy.ndarray
        (K, J, I) smooth noise of standard deviation 1 that makes the surfaces uneven.
    """
    z, y, x = grid.axes
    x = x + 3 * warp
    y = y + 2 * warp[:, ::-1]
    a, b = cage_size(z, chest)
    shoulder = np.clip((z - chest.apex * 0.35) / (chest.apex * 0.65), 0, 1.5)
    cage = _ellipse(x, y, a, b, 2.3)
    wall = chest.muscle + 10
    wide, deep = np.maximum(a, chest.half_width * 0.9), np.maximum(b, chest.half_depth * 0.88)
    muscle = _ellipse(x, y, wide + wall + 22 * shoulder, deep + wall, 2.6)
    body = _ellipse(x, y, wide + wall + 22 * shoulder + chest.fat * 1.1, deep + wall + chest.fat, 2.5)
    breast = _breasts(z, y, x, chest)
    body = np.minimum(body, breast)
    spine_y = spine_line(z, chest)
    spine, canal, marrow = _spine(z, y, x, spine_y)
    blood, mediastinum = _mediastinum(z, y, x, spine_y, chest)
    dome = _diaphragm(y, x, chest)
    lung = soft_max(cage, dome - z, 6)
    lung = soft_max(lung, -mediastinum, 5)
    lung = soft_max(lung, 5 - spine, 6)
    lung = np.asarray(lung + 0.9 * warp, dtype=np.float32)
    abdomen = np.maximum(cage + 3, z - dome + 3)
    return ChestShapes(body, muscle, cage, lung, abdomen, blood, mediastinum, spine, canal, marrow, breast)


def _breasts(z: Field, y: Field, x: Field, chest: ChestAnatomy) -> Field:
    if chest.breasts <= 0:
        return np.full(np.broadcast_shapes(z.shape, y.shape, x.shape), _ALL, dtype=np.float32)
    front = -(chest.half_depth + chest.muscle + 4)
    semi = (52.0, chest.breasts + 14, 58.0)
    sides = [_ball(z, y, x, (side * chest.half_width * 0.6, front, -25.0), semi) for side in (-1, 1)]
    return np.minimum(sides[0], sides[1])


def _diaphragm(y: Field, x: Field, chest: ChestAnatomy) -> Field:
    """Return z in mm of the diaphragm: a dome on each side, deep recesses at the back and the sides."""
    right, left = chest.domes
    side = chest.half_width * 0.46
    wide = np.float32(chest.half_width * 0.42)
    deep = np.float32(chest.half_depth * 0.62)
    bump = [
        height * np.exp(-(((x - middle) / wide) ** 2 + ((y + 12) / deep) ** 2) / 1.6)
        for height, middle in ((right, -side), (left, side))
    ]
    ridge = 0.75 * left * np.exp(-((x / 30) ** 2 + ((y + 25) / deep) ** 2))
    return np.asarray(chest.base + np.maximum(np.maximum(bump[0], bump[1]), ridge) * 1.15, dtype=np.float32)


def _spine(z: Field, y: Field, x: Field, spine_y: Field) -> tuple[Field, Field, Field]:
    """Return vertebrae, spinal canal and marrow."""
    period = np.float32(22.0)
    # 1 at the discs, 0 at mid-body
    phase: Field = np.asarray(np.abs(np.mod(z / period, 1) - 0.5) * 2, dtype=np.float32)
    waist = 1.5 * (1 - phase)
    body = _ellipse(x, y - spine_y, 17 - waist, 14 - waist)
    back = spine_y + 22
    canal = _ellipse(x, y - back, 9.0, 8.0)
    arch = np.maximum(_ellipse(x, y - back, 16.0, 14.0), 4 - 9 * (1 - phase))
    spinous = np.maximum(_ellipse(x, y - back - 19.0, 3.5, 17.0), 3 - 8 * (1 - phase))
    transverse = np.maximum(_ellipse(x, y - back + 2.0, 34.0, 5.0), 2 - 7 * (1 - phase))
    spine = np.minimum(np.minimum(body, np.minimum(arch, transverse)), spinous)
    marrow = np.maximum(body + 1.6, 6 * (phase - 0.8) + 0.5)
    return np.maximum(spine, -canal), canal, np.asarray(marrow, dtype=np.float32)


def _mediastinum(z: Field, y: Field, x: Field, spine_y: Field, chest: ChestAnatomy) -> tuple[Field, Field]:
    """Return blood (heart chambers, great vessels) and the whole mediastinum around it."""
    size, (hx, hy, hz) = chest.heart_size, chest.heart
    heart = _ball(z + 0.35 * (x - hx), y + 0.2 * (x - hx), x, (hx, hy, hz), (56 * size, 42 * size, 50 * size))
    atria = _ball(z, y, x, (-8.0, hy + 14, hz + 24), (42 * size, 32 * size, 36 * size))
    arch_top = hz + 118 * size
    ascending = np.maximum(_ellipse(x + 14, y - hy - 4, 16.0, 16.0), np.maximum(z - arch_top + 22, hz + 20 - z))
    aorta_y = spine_y - 22
    descending = np.maximum(_ellipse(x - 22, y - aorta_y, 12.5, 12.5), z - arch_top + 16)
    along = np.clip((y - hy) / np.maximum(aorta_y - hy, 1), 0, 1)
    arch_z = arch_top - 22 + 16 * np.sin(np.pi * along)
    arch = np.sqrt((x - (-14 + 36 * along)) ** 2 + (z - arch_z) ** 2) - 13
    arch = np.maximum(arch, np.maximum(hy - y, y - aorta_y))
    trunk = _ball(z, y, x, (10.0, hy + 2, hz + 62 * size), (22.0, 15.0, 22.0))
    cava = np.maximum(_ellipse(x + 30, y - hy - 18, 9.0, 11.0), np.maximum(z - chest.apex - 20, hz - z))
    blood = np.minimum(np.minimum(heart, atria), np.minimum(ascending, descending))
    blood = np.minimum(blood, np.minimum(np.minimum(arch, trunk), cava))
    upper = _ellipse(x + 2, y - (hy + 30), 34.0, 40.0, 2.4)
    upper = np.maximum(upper, hz + 10 - z)
    line = np.maximum(np.abs(x - 2) - 4.0, y - hy - 10)
    behind = _ellipse(x - 6, y - spine_y + 20, 22.0, 20.0)
    tissue = np.minimum(np.minimum(upper, line), np.minimum(behind, blood - 3.5))
    return blood, np.asarray(tissue, dtype=np.float32)
