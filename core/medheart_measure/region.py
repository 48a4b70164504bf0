"""A region: the voxels of one label or component, cut out with its place in the grid, and what counting gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medheart.geometry import Geometry
from medheart.records import Measurement
from medheart_measure.quantities import quantity_measurement

__all__ = ["PLANES", "Region", "count_measurements"]

PLANES = {"S": "axial", "I": "axial", "P": "coronal", "A": "coronal", "L": "sagittal", "R": "sagittal"}
"""Plane whose normal runs along an axis of that direction."""
_ML = 1e-3
_DIAGONALS = (
    (0, 1, 1), (0, 1, -1), (1, 0, 1), (1, 0, -1), (1, 1, 0), (1, -1, 0),
    (1, 1, 1), (1, 1, -1), (1, -1, 1), (1, -1, -1),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Region:
    """A set of voxels of a grid.

    Parameters
    ----------
    mask : numpy.ndarray
        (k, j, i) boolean, cut to the smallest box; at least one voxel is set.
    start : tuple of int
        (K, J, I) of the box's first voxel in the grid.
    geometry : Geometry
        The whole grid.
    """

    mask: NDArray[np.bool_]
    start: tuple[int, int, int]
    geometry: Geometry

    @cached_property
    def padded(self) -> NDArray[np.bool_]:
        """The mask with one empty voxel around it."""
        return np.pad(self.mask, 1)

    @cached_property
    def profiles(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Voxels per slice along each of the array's axes (K, J, I)."""
        plane = self.mask.view(np.uint8).sum(axis=0, dtype=np.uint32)
        per_slice = np.array([np.count_nonzero(part) for part in self.mask], dtype=np.int64)
        return per_slice, plane.sum(axis=1, dtype=np.int64), plane.sum(axis=0, dtype=np.int64)

    @cached_property
    def voxels(self) -> int:
        """Number of voxels."""
        return int(self.profiles[0].sum())

    @cached_property
    def corners(self) -> NDArray[np.intp]:
        """(n, 3) as (k, j, i) in the box: every voxel that can be a corner of the convex hull, and few more.

        A voxel that lies between two others, along any of the 13 directions to its neighbours, is no corner.
        """
        inner = self.padded[1:-1, 1:-1, 1:-1].copy()
        for axis in range(3):
            before, after = [slice(1, -1)] * 3, [slice(1, -1)] * 3
            before[axis], after[axis] = slice(None, -2), slice(2, None)
            inner &= ~(self.padded[tuple(before)] & self.padded[tuple(after)])
        points = np.stack(np.unravel_index(np.flatnonzero(inner), inner.shape), axis=1)
        for step in _DIAGONALS:
            ahead, behind = (self.padded[tuple((points + 1 + sign * np.array(step)).T)] for sign in (1, -1))
            points = points[~(ahead & behind)]
        return points

    def to_lps(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Map (n, 3) points (k, j, i) of the box, may be fractional, to LPS mm."""
        return self.geometry.index_to_lps((np.asarray(points) + self.start)[..., ::-1])


def count_measurements(region: Region, *, source: str = "") -> Iterator[Measurement]:
    """Yield what counting voxels gives: count, volume, largest area per plane, centroid, bounding box.

    The planes are those of the grid, named by the closest plane of the patient.
    """
    geometry = region.geometry
    yield quantity_measurement("voxel_count", region.voxels, source=source)
    yield quantity_measurement("volume", region.voxels * geometry.voxel_volume_mm3 * _ML, source=source)
    yield from _areas(region, source)
    yield from _centroid(region, source)
    yield from _bounding_box(region, source)


def _areas(region: Region, source: str) -> Iterator[Measurement]:
    spacing = region.geometry.spacing_kji
    letters = region.geometry.orientation[::-1]
    areas = {}
    for axis, profile in enumerate(region.profiles):
        one = region.geometry.voxel_volume_mm3 / spacing[axis]
        areas[PLANES[letters[axis]]] = float(profile.max()) * one
    for plane in ("axial", "coronal", "sagittal"):
        yield quantity_measurement(f"max_area_{plane}", areas[plane], source=source)


def _centroid(region: Region, source: str) -> Iterator[Measurement]:
    index = [float(profile @ np.arange(profile.size)) / region.voxels for profile in region.profiles]
    x, y, z = (float(v) for v in region.to_lps(np.array([index]))[0])
    for name, value in (("x", x), ("y", y), ("z", z)):
        yield quantity_measurement(f"centroid_{name}", value, points=[(x, y, z)], source=source)


def _bounding_box(region: Region, source: str) -> Iterator[Measurement]:
    centres = region.to_lps(region.corners)
    half = np.abs(region.geometry.affine[:3, :3]).sum(axis=1) / 2
    low, high = centres.min(axis=0) - half, centres.max(axis=0) + half
    ends = [(float(p[0]), float(p[1]), float(p[2])) for p in (low, high)]
    for name, value in zip("xyz", high - low, strict=True):
        yield quantity_measurement(f"bounding_box_{name}", value, points=ends, source=source)
