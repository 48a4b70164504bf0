"""Anatomy of the head phantom: sampled parameters, and tissues on a voxel grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medheart.phantom._fields import Field, Grid, coverage, smooth_noise, soft_max, soft_min

__all__ = ["HeadAnatomy", "Tissues", "head_tissues", "sample_head"]

Vector = tuple[float, float, float]
Point = tuple[Field, Field, Field]


@dataclass(frozen=True)
class HeadAnatomy:
    """Size and build of a head; mm, LPS, (0, 0, 0) between the ventricles.

    Parameters
    ----------
    semi_axes : tuple of float
        Half width, length and height of the cerebrum.
    ventricles : float
        Factor on the width of the ventricles.
    sulci_mm : float
        Half width of the sulci at the surface.
    cortex_mm : float
        Thickness of the cortex.
    skull_mm, scalp_mm : float
        Thicknesses.
    folds_mm : float
        Scale of the folds; neighbouring sulci are about twice as far apart.
    """

    semi_axes: Vector
    ventricles: float
    sulci_mm: float
    cortex_mm: float
    skull_mm: float
    scalp_mm: float
    folds_mm: float


def sample_head(rng: np.random.Generator) -> HeadAnatomy:
    """Draw the build of one patient; older brains have wider ventricles and sulci."""
    age = float(rng.uniform(0, 1))
    scale = float(rng.uniform(0.94, 1.06))
    return HeadAnatomy(
        semi_axes=(67 * scale, 85 * scale * float(rng.uniform(0.96, 1.04)), 66 * scale),
        ventricles=0.75 + 0.8 * age,
        sulci_mm=0.6 + 0.9 * age,
        cortex_mm=float(rng.uniform(2.4, 3.0)),
        skull_mm=float(rng.uniform(5, 8)),
        scalp_mm=float(rng.uniform(4, 7)),
        folds_mm=float(rng.uniform(6.5, 8.0)),
    )


@dataclass(frozen=True, eq=False)
class Tissues:
    """Fractions 0..1 per voxel, (K, J, I): of the brain, and of what surrounds it.

    `brain` is the hull with all fluid spaces; `grey` and `fluid` are parts of it (the rest is white
    matter); `skull`, `scalp` (with the face) and `vessel` lie where their names say.
    """

    brain: Field
    grey: Field
    fluid: Field
    skull: Field
    scalp: Field
    vessel: Field


def head_tissues(rng: np.random.Generator, head: HeadAnatomy, grid: Grid) -> Tissues:
    """Compute the tissues on a grid whose (0, 0, 0) lies between the ventricles."""
    edge = grid.edge_mm
    rough = smooth_noise(rng, grid.shape, grid.spacing, 40) * np.float32(1.5)
    z, y, x = grid.axes
    bent: Point = (z + rough[:, ::-1], y + rough, x + rough[::-1])
    cerebrum, cerebellum, stem = _parts(bent, head)
    hull = soft_min(soft_min(cerebrum, cerebellum, 4), stem, 6)
    furrow = _furrows(rng, head, bent, cerebrum, grid)
    folia = _folia(bent, cerebellum, rough)
    outside = np.minimum(np.maximum(furrow, cerebrum - 2), np.maximum(folia, cerebellum))
    fluid = np.maximum(coverage(np.minimum(_ventricles(bent, head), outside), edge), 1 - coverage(hull, edge))
    cortex = np.minimum(furrow, -cerebrum) - np.float32(head.cortex_mm)
    grey = np.maximum(coverage(np.maximum(cortex, cerebrum), edge), coverage(_deep_grey(bent), edge))
    grey = np.maximum(grey, 0.8 * coverage(np.maximum(np.abs(folia) - 1.4, cerebellum), edge))
    grey *= coverage(-stem, edge)
    return _surround(rng, head, grid, hull, grey=np.asarray(grey, np.float32), fluid=fluid)


def _surround(
    rng: np.random.Generator, head: HeadAnatomy, grid: Grid, hull: Field, *, grey: Field, fluid: Field
) -> Tissues:
    """Put fluid, skull, scalp, face and the sagittal sinus around the brain."""
    point, edge = grid.axes, grid.edge_mm
    z, y, x = point
    rough = smooth_noise(rng, grid.shape, grid.spacing, 40) * np.float32(0.9)
    case = soft_min(hull, _ball(point, (0, 4, 0), (head.semi_axes[0] - 4, head.semi_axes[1] - 4, 58)), 10)
    brain = coverage(hull - 2.2, edge)
    vault = coverage(case - np.float32(2.2 + head.skull_mm) - rough, edge)
    face = soft_min(_ball(point, (0, -48, -62), (52, 46, 62)), _ball(point, (0, 20, -110), (50, 52, 80)), 20)
    skin = soft_min(case - np.float32(2.2 + head.skull_mm + head.scalp_mm), face, 12)
    meat = np.clip(0.55 + 0.35 * smooth_noise(rng, grid.shape, grid.spacing, 9), 0.1, 1)
    soft = coverage(skin, edge) * (1 - vault)
    scalp = soft * np.where(face < case, meat, 1)
    sinus = np.sqrt(x * x + np.maximum(np.abs(hull - 1.0) - 1.0, 0) ** 2) - 3.0
    vessel = coverage(sinus, edge) * ((z > 20) | (y > 55))
    return Tissues(brain, grey * brain, fluid * brain, vault * (1 - brain), np.asarray(scalp, np.float32), vessel)


def _ball(point: Point, centre: Vector, semi: Vector) -> Field:
    z, y, x = point
    rho = np.sqrt(
        ((x - centre[0]) / semi[0]) ** 2 + ((y - centre[1]) / semi[1]) ** 2 + ((z - centre[2]) / semi[2]) ** 2
    )
    return np.asarray((rho - 1) * min(semi), dtype=np.float32)


def _parts(point: Point, head: HeadAnatomy) -> tuple[Field, Field, Field]:
    """Return signed distances of cerebrum, cerebellum and brain stem."""
    z, y, x = point
    a, b, c = head.semi_axes
    side: Point = (z, y, np.abs(x))
    upper = soft_max(_ball(point, (0, 0, 2), (a, b, c)), -20 - z - 0.16 * y, 14)
    temporal = _ball((z + 0.2 * y, y, np.abs(x)), (0.6 * a, -0.1 * b, -28), (23, 40, 21))
    frontal = _ball(side, (0.25 * a, -0.5 * b, -14), (26, 34, 16))
    cerebrum = soft_min(soft_min(upper, temporal, 5), frontal, 8)
    cerebellum = _ball(side, (20, 0.58 * b, -42), (33, 28, 23))
    stem_y = 18 - 0.14 * (z + 40)
    width = 15 - 4 * np.clip((-50 - z) / 25, 0, 1)
    across = (np.sqrt((x / width) ** 2 + ((y - stem_y) / (width - 1)) ** 2) - 1) * width
    return cerebrum, cerebellum, np.asarray(np.maximum(across, z + 12), dtype=np.float32)


def _ventricles(point: Point, head: HeadAnatomy) -> Field:
    """Return the signed distance of the lateral, third and fourth ventricles."""
    z, y, x = point
    wide, side = head.ventricles, np.abs(x)
    arc = np.clip((y + 40) / 78, 0, 1)
    middle_x = 6 + 3 * wide + 15 * arc**2.2
    middle_z = 10 + 8 * np.sin(np.pi * arc) - 7 * arc**2
    taper = np.clip(1.25 - 1.1 * np.abs(arc - 0.5) ** 2 * 2, 0.2, 1.3)
    across = np.sqrt(((side - middle_x) / (3.2 + 2.6 * arc)) ** 2 + ((z - middle_z) / 6.5) ** 2)
    lateral = soft_max((across - taper * (0.55 + 0.45 * wide)) * 3.6, np.abs(y + 1) - 39, 6)
    third = _ball(point, (0, 2, -4), (1.7 * wide, 16, 12))
    horn = _ball((z + 0.35 * (y - 10), y, side), (30, 2, -18), (2.4 * wide, 20, 3.5))
    fourth = _ball(point, (0, 33, -38), (7 * wide, 6, 11))
    return np.asarray(np.minimum(np.minimum(lateral, third), np.minimum(horn, fourth)), dtype=np.float32)


def _furrows(rng: np.random.Generator, head: HeadAnatomy, point: Point, cerebrum: Field, grid: Grid) -> Field:
    """Return the distance to the walls of sulci and of the gap between the hemispheres, negative in the gaps.

    Sulci are the zero level of smooth noise; its value over its slope is the distance.
    """
    z, y, x = point
    noise = smooth_noise(rng, grid.shape, grid.spacing, head.folds_mm)
    slopes = np.gradient(noise, *[np.float32(s) for s in grid.spacing[::-1]])
    steep = np.sqrt(sum(s * s for s in slopes))
    sheet = np.abs(noise) / np.maximum(steep, np.float32(0.04))
    reach = 15 + 5 * smooth_noise(rng, grid.shape, grid.spacing, 30)
    below = np.maximum(-cerebrum - reach, 0)
    core = _ball(point, (0, 4, 0), (60, 46, 27))
    gap = np.maximum(np.abs(x) - 1.0, 3 - core)
    sylvian = soft_max(np.abs(z + 10 - 0.35 * y + 3 * noise) - 1.2, 40 + 0.02 * (y + 12) ** 2 - np.abs(x), 4)
    width = head.sulci_mm * np.clip(1 + cerebrum / 30, 0.3, 1)
    furrow = np.minimum(sheet - width + 1.5 * below, np.minimum(gap, sylvian))
    return np.asarray(furrow, dtype=np.float32)


def _folia(point: Point, cerebellum: Field, rough: Field) -> Field:
    """Return the distance to the fine leaves of the cerebellum's surface."""
    z, y, _ = point
    phase = np.abs(np.mod((z + 0.5 * y + 1.6 * rough) / 4.6, 1) - 0.5) * 4.6
    return np.asarray(phase - 0.3 + np.maximum(-cerebellum - 10, 0), dtype=np.float32)


def _deep_grey(point: Point) -> Field:
    z, y, x = point
    side: Point = (z, y, np.abs(x))
    thalamus = _ball(side, (11, 8, 0), (8, 14, 8))
    caudate = _ball(side, (15, -22, 6), (5, 12, 8))
    putamen = _ball((z, y, np.abs(x) - 0.25 * (y + 6)), (26, -6, -1), (6, 18, 10))
    return np.minimum(np.minimum(thalamus, caudate), putamen)
