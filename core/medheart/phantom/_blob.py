"""Irregular ellipsoids: the outline of lesions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medheart.phantom._fields import Field

__all__ = ["Blob", "Bump", "blob_box", "blob_distance", "sample_blob", "sample_bumps"]

Vector = tuple[float, float, float]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Bump:
    """A bulge of the surface: unit direction, height as a fraction of the radius, sharpness (larger is narrower)."""

    direction: Vector
    height: float
    sharpness: float


@dataclass(frozen=True)
class Blob:
    """An ellipsoid with bulges.

    Parameters
    ----------
    centre_mm : tuple of float
        (x, y, z) along the array's axes (I, J, K), from the centre of voxel (0, 0, 0).
    semi_axes_mm : tuple of float
        Half lengths.
    rotation : tuple of float
        Row-major 3x3, from the array's axes to the ellipsoid's.
    bumps : tuple of Bump
        Bulges, in the ellipsoid's axes.
    """

    centre_mm: Vector
    semi_axes_mm: Vector
    rotation: tuple[float, ...]
    bumps: tuple[Bump, ...] = ()

    @property
    def diameter_mm(self) -> float:
        """Mean diameter of the ellipsoid in mm."""
        return 2 * float(np.mean(self.semi_axes_mm))


def _unit(rng: np.random.Generator) -> Vector:
    x, y, z = rng.standard_normal(3)
    length = float(np.sqrt(x * x + y * y + z * z))
    return float(x) / length, float(y) / length, float(z) / length


def sample_bumps(rng: np.random.Generator, count: int, *, height: float, sharpness: float) -> tuple[Bump, ...]:
    """Draw bulges of about this height and sharpness."""
    return tuple(
        Bump(_unit(rng), height * float(rng.uniform(0.5, 1)), sharpness * float(rng.uniform(0.6, 1.6)))
        for _ in range(count)
    )


def sample_blob(
    rng: np.random.Generator, centre_mm: Vector, diameter_mm: float, *, stretch: float, bumps: tuple[Bump, ...]
) -> Blob:
    """Draw an ellipsoid of this mean diameter; `stretch` is the standard deviation of its log axes."""
    x, y, z = np.exp(rng.normal(0, stretch, 3))
    half = diameter_mm / 2 * 3 / float(x + y + z)
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    axes = (half * float(x), half * float(y), half * float(z))
    return Blob(centre_mm, axes, tuple(float(v) for v in turn.ravel()), bumps)


def blob_box(
    blob: Blob, spacing: Vector, shape: tuple[int, ...], reach_mm: float
) -> tuple[Box, tuple[Field, Field, Field]]:
    """Return the box of voxels within `reach_mm` of the centre, and open axes (x, y, z) in mm from the centre."""
    slices, offsets = [], []
    for axis in range(3):
        step, centre = spacing[2 - axis], blob.centre_mm[2 - axis]
        first = min(max(0, int((centre - reach_mm) / step)), shape[axis] - 1)
        last = max(min(shape[axis], int((centre + reach_mm) / step) + 2), first + 1)
        slices.append(slice(first, last))
        line = np.arange(first, last, dtype=np.float32) * np.float32(step) - np.float32(centre)
        offsets.append(line.reshape([-1 if n == axis else 1 for n in range(3)]))
    return (slices[0], slices[1], slices[2]), (offsets[2], offsets[1], offsets[0])


def blob_distance(blob: Blob, offsets: tuple[Field, Field, Field]) -> Field:
    """Return the signed distance in mm to the surface along the ray from the centre, negative inside."""
    turn = np.array(blob.rotation, dtype=np.float32).reshape(3, 3)
    x, y, z = offsets
    length = np.sqrt(x * x + y * y + z * z)
    local = [turn[n, 0] * x + turn[n, 1] * y + turn[n, 2] * z for n in range(3)]
    scaled = np.sqrt(sum((p / np.float32(a)) ** 2 for p, a in zip(local, blob.semi_axes_mm, strict=True)))
    safe = np.maximum(length, np.float32(1e-3))
    radius = np.ones_like(length)
    for bump in blob.bumps:
        cosine = sum(p * np.float32(d) for p, d in zip(local, bump.direction, strict=True)) / safe
        radius += np.float32(bump.height) * np.exp(np.float32(bump.sharpness) * (cosine - 1))
    near = np.float32(-min(blob.semi_axes_mm))
    away = length * (1 - radius / np.maximum(scaled, np.float32(1e-3)))
    return np.asarray(np.where(length > 1e-3, away, near), dtype=np.float32)
