"""Smooth fields on voxel grids: coordinates, interpolation, noise, soft edges.

Large organs are described as signed distances on a coarse grid (millimetres, negative inside) and
interpolated to the fine one: a smooth distance keeps its zero level, so edges stay sharp, and the
cost does not grow with the number of organs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = [
    "Box",
    "Field",
    "Grid",
    "correlated_noise",
    "coverage",
    "inner_box",
    "smooth_noise",
    "soft_max",
    "soft_min",
    "upsample",
]

Field = NDArray[np.float32]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Grid:
    """A voxel grid along x, y, z.

    Parameters
    ----------
    shape : tuple of int
        (K, J, I).
    spacing : tuple of float
        Mm along (x, y, z).
    centre : tuple of float
        (x, y, z) mm of the middle of the grid.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def edge_mm(self) -> float:
        """Width of a voxel's edge: the cube root of its volume."""
        return float(np.prod(self.spacing) ** (1 / 3))

    @property
    def origin(self) -> tuple[float, float, float]:
        """(x, y, z) mm of the centre of voxel (0, 0, 0)."""
        parts = zip(self.centre, self.shape[::-1], self.spacing, strict=True)
        x, y, z = (float(middle - (count - 1) / 2 * step) for middle, count, step in parts)
        return x, y, z

    @property
    def axes(self) -> tuple[Field, Field, Field]:
        """Open coordinate axes (z, y, x) in mm, to be broadcast to (K, J, I)."""
        axes = []
        for axis in range(3):
            step, first = self.spacing[2 - axis], self.origin[2 - axis]
            line = np.arange(self.shape[axis], dtype=np.float32) * np.float32(step) + np.float32(first)
            axes.append(line.reshape([-1 if n == axis else 1 for n in range(3)]))
        return axes[0], axes[1], axes[2]

    def coarse(self, step_mm: float) -> Grid:
        """Return the grid with the same outermost voxel centres and steps of about `step_mm`."""
        lengths = [(n - 1) * s for n, s in zip(self.shape, self.spacing[::-1], strict=True)]
        k, j, i = (max(2, round(length / step_mm) + 1) for length in lengths)
        z, y, x = (length / (n - 1) for length, n in zip(lengths, (k, j, i), strict=True))
        return Grid((k, j, i), (max(x, 1e-6), max(y, 1e-6), max(z, 1e-6)), self.centre)


def upsample(field: NDArray[Any], shape: tuple[int, int, int], box: Box | None = None) -> Field:
    """Interpolate a field (K, J, I) linearly to another size; the outermost voxel centres coincide.

    One product with a banded matrix per axis. With `box`, only that part of the result is computed.
    """
    parts = box or (slice(None), slice(None), slice(None))
    k, j, i = (_weights(old, new)[part] for old, new, part in zip(field.shape, shape, parts, strict=True))
    flat = k @ field.astype(np.float32, copy=False).reshape(field.shape[0], -1)
    return np.asarray((j @ flat.reshape(len(k), field.shape[1], field.shape[2])) @ i.T, dtype=np.float32)


def inner_box(distance: NDArray[Any], shape: tuple[int, int, int], edge_mm: float) -> Box:
    """Return the box of the fine grid `shape` outside which a coarse signed distance covers nothing."""
    near = distance < edge_mm
    slices = []
    for axis, count in enumerate(shape):
        hits = np.flatnonzero(near.any(axis=tuple(n for n in range(3) if n != axis)))
        if len(hits) == 0:
            return slice(0, 0), slice(0, 0), slice(0, 0)
        scale = (count - 1) / max(distance.shape[axis] - 1, 1)
        first, last = int((hits[0] - 1) * scale), int((hits[-1] + 1) * scale) + 2
        slices.append(slice(max(first, 0), min(last, count)))
    return slices[0], slices[1], slices[2]


def _weights(old: int, new: int) -> Field:
    """Return the (new, old) matrix of linear interpolation from `old` points to `new` over one length."""
    position = np.linspace(0, old - 1, new)
    low = np.minimum(position.astype(np.intp), max(old - 2, 0))
    share = (position - low).astype(np.float32)
    matrix = np.zeros((new, old), dtype=np.float32)
    matrix[np.arange(new), low] = 1 - share
    matrix[np.arange(new), np.minimum(low + 1, old - 1)] += share
    return matrix


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int, int], spacing: tuple[float, float, float], scale_mm: float
) -> Field:
    """Return smooth random structure (K, J, I) of mean 0 and standard deviation 1.

    Parameters
    ----------
    spacing : tuple of float
        Mm along (x, y, z).
    scale_mm : float
        Size of the structures: two standard deviations of the Gaussian that white noise is smoothed by.
    """
    coarse = Grid(shape, spacing).coarse(max(scale_mm / 3, 0.7 * min(spacing)))
    sigmas = [min(scale_mm / 2 / s, 50.0) for s in coarse.spacing[::-1]]
    margin = [int(2 * s) + 1 for s in sigmas]
    knots = [n + 2 * m for n, m in zip(coarse.shape, margin, strict=True)]
    noise = ndimage.gaussian_filter(rng.standard_normal(knots, dtype=np.float32), sigmas, truncate=3)
    noise = noise[tuple(slice(m, -m) for m in margin)]
    spread = float(noise.std())
    return upsample(noise / np.float32(spread if spread > 0 else 1), shape)


def correlated_noise(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> Field:
    """Return noise as of a reconstructed CT: band-limited, mean 0, standard deviation `sigma`.

    White noise through a difference of two Gaussian filters: little power at low frequencies (ramp
    filter) and at high ones (reconstruction kernel).
    """
    white = rng.standard_normal(shape, dtype=np.float32)
    fine = ndimage.gaussian_filter(white, 0.55, truncate=3)
    fine -= np.float32(0.6) * ndimage.uniform_filter(white, 3)
    fine *= np.float32(sigma / max(float(fine.std()), 1e-6))
    return np.asarray(fine, dtype=np.float32)


def coverage(distance: NDArray[Any], edge_mm: float) -> Field:
    """Turn a signed distance in mm into the covered fraction of a voxel, 0..1; `edge_mm` is the edge's width."""
    result = np.multiply(distance, np.float32(-1.0 / edge_mm), dtype=np.float32)
    result += np.float32(0.5)
    return np.clip(result, 0, 1, out=result)


def soft_min(first: NDArray[Any], second: NDArray[Any], radius_mm: float) -> Field:
    """Return the union of two signed distances with a groove filled by about `radius_mm`."""
    return np.negative(soft_max(-first, -second, radius_mm))


def soft_max(first: NDArray[Any], second: NDArray[Any], radius_mm: float) -> Field:
    """Return the intersection of two signed distances with an edge rounded by about `radius_mm`."""
    gap = np.maximum(np.float32(radius_mm) - np.abs(first - second), 0)
    return np.asarray(np.maximum(first, second) + gap * gap / np.float32(4 * radius_mm), dtype=np.float32)
