"""Branching trees of tapering tubes: vessels, airways, ribs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medheart.phantom._fields import Field, Grid

__all__ = ["Tubes", "draw_tubes", "grow_tree", "polyline"]

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tubes:
    """Straight round cones.

    Parameters
    ----------
    start, end : numpy.ndarray
        (N, 3) end points (x, y, z) in mm.
    radius : numpy.ndarray
        (N, 2) radius in mm at start and end.
    """

    start: Points
    end: Points
    radius: Points

    def grown(self, factor: float = 1.0, extra_mm: float = 0.0) -> Tubes:
        """Return tubes with radius · `factor` + `extra_mm`."""
        return Tubes(self.start, self.end, self.radius * factor + extra_mm)


def polyline(points: Points, radius: Points) -> Tubes:
    """Return the tubes along points (N, 3), with a radius in mm at each."""
    return Tubes(points[:-1], points[1:], np.stack([radius[:-1], radius[1:]], axis=1))


def grow_tree(
    root: Points, targets: Points, jitter: Points, *, balance: float, leaf_mm: float, exponent: float = 2.8
) -> Tubes:
    """Grow a tree from `root` that reaches every target.

    A minimum spanning tree that also counts the way to the root; radii follow Murray's law from the
    leaves inwards. Each branch is bent at its middle by `jitter`.

    Parameters
    ----------
    root : numpy.ndarray
        (3,) mm.
    targets, jitter : numpy.ndarray
        (N, 3) mm points to reach, and bends as a fraction of the branch's length.
    balance : float
        Weight of the way to the root; 0 gives the shortest tree, 1 the shortest ways.
    leaf_mm : float
        Radius of the last branches.

    References
    ----------
    Cuntz H et al. PLoS Comput Biol 2010;6:e1000877. doi:10.1371/journal.pcbi.1000877
    Murray CD. Proc Natl Acad Sci 1926;12:207-214. doi:10.1073/pnas.12.3.207
    """
    points = np.vstack([root, targets])
    parent, order = _span(points, balance)
    flow = np.full(len(points), leaf_mm**exponent)
    inner = np.zeros(len(points), dtype=bool)
    for node in order[::-1]:
        if not inner[node]:
            inner[node] = True
        up = parent[node]
        flow[up] = flow[node] + (flow[up] if inner[up] else 0.0)
        inner[up] = True
    radius = flow ** (1 / exponent)
    start, end = points[parent[1:]], points[1:]
    middle = (start + end) / 2 + jitter * np.linalg.norm(end - start, axis=1, keepdims=True)
    thin = radius[1:]
    thick = np.minimum(radius[parent[1:]], thin * 1.25)
    return Tubes(
        np.vstack([start, middle]),
        np.vstack([middle, end]),
        np.vstack([np.stack([thick, thin], 1), np.stack([thin, thin], 1)]),
    )


def _span(points: Points, balance: float) -> tuple[NDArray[np.intp], list[int]]:
    count = len(points)
    parent = np.zeros(count, dtype=np.intp)
    way = np.zeros(count)
    distance = np.linalg.norm(points - points[0], axis=1)
    cost = distance.copy()
    cost[0] = np.inf
    left = np.ones(count, dtype=bool)
    left[0] = False
    order: list[int] = []
    for _ in range(count - 1):
        node = int(np.argmin(cost))
        order.append(node)
        left[node] = False
        cost[node] = np.inf
        way[node] = way[parent[node]] + distance[node]
        reach = np.linalg.norm(points - points[node], axis=1)
        better = left & (reach + balance * way[node] < cost)
        cost[better] = reach[better] + balance * way[node]
        parent[better], distance[better] = node, reach[better]
    return parent, order


def draw_tubes(target: Field, tubes: Tubes, grid: Grid) -> None:
    """Raise `target` (K, J, I) to the fraction of each voxel that the tubes cover.

    Tubes thinner than a voxel keep their cross-section on average.
    """
    axes, edge_mm = grid.axes, grid.edge_mm
    lines = [np.asarray(axis).reshape(-1) for axis in axes]
    low = np.minimum(tubes.start, tubes.end) - tubes.radius.max(axis=1, keepdims=True) - edge_mm
    high = np.maximum(tubes.start, tubes.end) + tubes.radius.max(axis=1, keepdims=True) + edge_mm
    first = np.stack([np.searchsorted(lines[2 - n], low[:, n]) for n in range(3)], axis=1)
    last = np.stack([np.searchsorted(lines[2 - n], high[:, n]) for n in range(3)], axis=1)
    for n in np.flatnonzero((last > first).all(axis=1)):
        box = tuple(slice(int(first[n, 2 - a]), int(last[n, 2 - a])) for a in range(3))
        local = (axes[0][box[0]], axes[1][:, box[1]], axes[2][:, :, box[2]])
        np.maximum(target[box], _cone(local, tubes.start[n], tubes.end[n], tubes.radius[n], edge_mm), out=target[box])


def _cone(axes: Iterable[Field], start: Points, end: Points, radius: Points, edge_mm: float) -> Field:
    z, y, x = axes
    px, py, pz = (axis - np.float32(s) for axis, s in zip((x, y, z), start, strict=True))
    dx, dy, dz = (np.float32(d) for d in end - start)
    length = max(float(dx * dx + dy * dy + dz * dz), 1e-6)
    along = np.clip((px * dx + py * dy + pz * dz) / np.float32(length), 0, 1)
    away = np.sqrt((px - along * dx) ** 2 + (py - along * dy) ** 2 + (pz - along * dz) ** 2)
    wide = np.float32(radius[0]) + along * np.float32(radius[1] - radius[0])
    wide, away = np.maximum(wide / np.float32(edge_mm), 0), away / np.float32(edge_mm)
    covered = np.clip(wide - away + np.float32(0.5), 0, 1)
    # The ramp at the edge covers more than the circle; the factor gives the circle's area back.
    raw = np.where(wide > 0.5, wide * wide + np.float32(1 / 12), (wide + np.float32(0.5)) ** 3 / 3)
    return np.asarray(covered * (wide * wide / raw), dtype=np.float32)
