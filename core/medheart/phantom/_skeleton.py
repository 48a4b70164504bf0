"""Trees and bones of the chest phantom as tubes: vessels, airways, ribs, sternum, shoulder blades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medheart.phantom._chest import ChestAnatomy, cage_size, spine_line
from medheart.phantom._fields import Field, Grid
from medheart.phantom._tubes import Tubes, grow_tree, polyline

__all__ = ["Airways", "bones", "lung_airways", "lung_vessels", "sample_points"]

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Airways:
    """Air-filled tubes; the wall lies around them."""

    lumen: tuple[Tubes, ...]

    def walls(self) -> tuple[Tubes, ...]:
        """Return the tubes out to the outside of the walls."""
        return tuple(tubes.grown(1.22, 0.35) for tubes in self.lumen)


def sample_points(rng: np.random.Generator, distance: Field, grid: Grid, count: int) -> Points:
    """Draw points (N, 3) in mm, (x, y, z), from where `distance` (K, J, I) is below -3 mm."""
    candidates = np.argwhere(distance < -3)
    if len(candidates) == 0:
        return np.zeros((0, 3))
    chosen = candidates[rng.integers(len(candidates), size=count)]
    points = chosen[:, ::-1] + rng.uniform(-0.5, 0.5, (count, 3))
    return np.asarray(points * np.array(grid.spacing) + np.array(grid.origin), dtype=np.float64)


def _hilum(chest: ChestAnatomy, side: int) -> Points:
    return np.array([side * 34.0 + 4, chest.heart[1] + 34, chest.heart[2] + (52 if side < 0 else 58)])


def lung_vessels(rng: np.random.Generator, chest: ChestAnatomy, points: Points, *, leaf_mm: float = 0.5) -> list[Tubes]:
    """Grow an artery and a vein tree in each lung through `points` (N, 3) mm."""
    trees = []
    for side in (-1, 1):
        mine = points[np.sign(points[:, 0]) == side]
        for half, offset in ((mine[::2], (0.0, 4.0, 6.0)), (mine[1::2], (0.0, -12.0, -16.0))):
            root = _hilum(chest, side) + np.array(offset)
            trees.append(grow_tree(root, half, rng.normal(0, 0.07, half.shape), balance=0.45, leaf_mm=leaf_mm))
    return trees


def lung_airways(rng: np.random.Generator, chest: ChestAnatomy, points: Points) -> Airways:
    """Return trachea, main bronchi and a bronchial tree in each lung."""
    _, hy, hz = chest.heart
    carina = np.array([0.0, hy + 36, hz + 82])
    top = np.array([0.0, hy + 22, chest.apex + 60])
    steps = np.linspace(0, 1, 12)[:, None]
    bend = np.hstack([2 * np.sin(3 * steps), 3 * np.sin(4 * steps), 0 * steps])
    trachea = polyline(top + (carina - top) * steps + bend, np.full(12, float(rng.uniform(7.5, 9.5))))
    tubes = [trachea]
    for side in (-1, 1):
        hilum = _hilum(chest, side) + np.array([0.0, 4.0, -2.0])
        middle = (carina + hilum) / 2 + np.array([0.0, 0.0, 5.0])
        tubes.append(polyline(np.array([trachea.end[-1], middle, hilum]), np.array([6.5, 6.0, 4.6])))
        mine = points[np.sign(points[:, 0]) == side]
        tubes.append(grow_tree(hilum, mine, rng.normal(0, 0.05, mine.shape), balance=0.5, leaf_mm=0.55, exponent=2.6))
    return Airways(tuple(tubes))


def _rib(chest: ChestAnatomy, side: int, level: int) -> tuple[Points, Points]:
    """Return the points of a rib and of its cartilage."""
    top = chest.apex + 14 - 23.0 * level * (chest.apex - chest.base) / 240
    turn = np.linspace(0.16, 0.98 if level < 8 else 0.7, 46)
    drop = (18 + 4.5 * min(level, 8)) * np.sin(turn * np.pi / 2) ** 1.3
    z = top - drop
    wide, deep = cage_size(z.astype(np.float32), chest)
    out = 6.5
    angle = turn * np.pi
    x = side * (wide + out) * np.abs(np.sin(angle)) ** (2 / 2.3)
    y = (deep + out) * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** (2 / 2.3)
    back = spine_line(z.astype(np.float32), chest) + 14
    y = np.where(turn < 0.4, np.minimum(y, back + 18), y)
    points = np.stack([x, y, z], axis=1)
    start = np.array([[side * 17.0, float(back[0]), top + 4]])
    points = np.vstack([start, points]).astype(np.float64)
    return points[:36], points[35:]


def bones(rng: np.random.Generator, chest: ChestAnatomy) -> tuple[list[Tubes], list[Tubes]]:
    """Return the tubes of bone and of cartilage."""
    bone, cartilage = [], []
    for side in (-1, 1):
        for level in range(11):
            hard, soft = _rib(chest, side, level)
            thick = float(rng.uniform(3.6, 4.6))
            for shift in (-2.2, 2.2):
                bone.append(polyline(hard + np.array([0.0, 0.0, shift]), np.full(len(hard), thick)))
            cartilage.append(polyline(soft, np.full(len(soft), thick + 0.8)))
        bone += _shoulder(chest, side)
    bone += _sternum(chest)
    return bone, cartilage


def _sternum(chest: ChestAnatomy) -> list[Tubes]:
    z = np.linspace(chest.apex * 0.55, chest.base * 0.28, 20)
    _, deep = cage_size(z.astype(np.float32), chest)
    y = -(np.maximum(deep, chest.half_depth * 0.72) + 7)
    return [polyline(np.stack([np.full(20, x), y, z], axis=1), np.full(20, 5.0)) for x in (-9.0, -3.0, 3.0, 9.0)]


def _shoulder(chest: ChestAnatomy, side: int) -> list[Tubes]:
    """Return the shoulder blade as a fan of rods, and the collar bone."""
    rods = []
    for n in np.linspace(0, 1, 12):
        x = side * (chest.half_width * 0.56 + 62 * n)
        y = chest.half_depth * (0.93 - 0.45 * n * n) + 14
        top, bottom = chest.apex * 0.78, chest.apex * (0.78 - 1.1 * (1 - 0.75 * n))
        rods.append(polyline(np.array([[x, y - 4, top], [x, y + 3, bottom]]), np.array([2.6, 2.2])))
    clavicle = np.array([[side * 18.0, -58, 92], [side * 60.0, -62, 108], [side * 118.0, -30, 118]])
    rods.append(polyline(clavicle * (chest.apex / 125), np.full(3, 5.5)))
    return rods
