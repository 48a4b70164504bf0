"""Diameters: the largest in space, and in the axial plane the longest with its perpendicular short axis.

All run between outer edges: the outline of a region goes through the middle of the outer faces of its voxels, as a
surface mesh of the mask does. A box of n voxels measures n spacings along an axis, and one voxel is not of size 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist

from medheart_measure.region import PLANES, Region

__all__ = ["axial_axes", "largest_diameter", "perpendicular_width"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_BLOCK = 256
_PAIRS = 2**20
"""Pairs of an offset and a line piece that are compared at once, unless the pieces are first thinned out."""
_TOLERANCE = 1e-9


def largest_diameter(region: Region) -> Floats:
    """Return the two outline points (2, 3), LPS mm, that are farthest apart."""
    points = _outline_hull(region.corners)
    return region.to_lps(points[_farthest(points * np.array(region.geometry.spacing_kji))])


def axial_axes(region: Region) -> tuple[Floats, Floats]:
    """Return the longest diameter within one axial slice and the widest extent perpendicular to it in that slice.

    The slices are those of the grid that are closest to the patient's axial plane. Both ends of the short axis lie
    on the region's outline, on one line perpendicular to the long axis.

    Returns
    -------
    tuple of numpy.ndarray
        Long and short axis, end points (2, 3) each, LPS mm.
    """
    letters = region.geometry.orientation[::-1]
    axis = next(a for a in range(3) if PLANES[letters[a]] == "axial")
    slices = np.moveaxis(region.mask, axis, 0)
    spacing = np.delete(np.array(region.geometry.spacing_kji), axis)
    length, index, ends = -1.0, 0, np.zeros((2, 2))
    for candidate, bound in _by_extent(slices, spacing):
        if bound <= length + _TOLERANCE:
            break
        points = _outline_hull(_slice_corners(slices[candidate])) * spacing
        pair = points[_farthest(points)]
        distance = float(np.linalg.norm(pair[1] - pair[0]))
        if distance > length + _TOLERANCE:
            length, index, ends = distance, candidate, pair
    short = perpendicular_width(slices[index], ends, spacing)
    return _into_space(region, ends / spacing, axis, index), _into_space(region, short / spacing, axis, index)


def perpendicular_width(mask: Mask, ends: Floats, spacing: Floats) -> Floats:
    """Return the widest extent of a slice along one line perpendicular to a given axis.

    Parameters
    ----------
    mask : numpy.ndarray
        (r, c) boolean.
    ends : numpy.ndarray
        (2, 2) mm, end points (row, column) of the long axis in the slice.
    spacing : numpy.ndarray
        (2,) mm of rows and columns.

    Returns
    -------
    numpy.ndarray
        (2, 2) mm, end points (row, column) on the outline of the mask.
    """
    along = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    across = np.array([-along[1], along[0]])
    lines = _outline(mask) * spacing
    t, s = lines @ along, lines @ across
    offsets = np.unique(np.round(t, 9))
    low, high = _extents(offsets, t, s)
    widest = np.flatnonzero(high - low >= (high - low).max() - _TOLERANCE)
    at = widest[np.argmin(np.abs(offsets[widest] - float(ends.mean(axis=0) @ along)))]
    return np.array([offsets[at] * along + low[at] * across, offsets[at] * along + high[at] * across])


def _into_space(region: Region, points: Floats, axis: int, index: int) -> Floats:
    return region.to_lps(np.insert(points, axis, index, axis=1))


def _by_extent(slices: Mask, spacing: Floats) -> Iterator[tuple[int, float]]:
    """Yield slices that hold voxels with the diagonal of their bounding box in mm, largest first."""
    diagonal = np.zeros(slices.shape[0])
    for axis in (1, 2):
        used = slices.any(axis=axis)
        length = used.shape[1] - used.argmax(axis=1) - used[:, ::-1].argmax(axis=1)
        diagonal += np.where(used.any(axis=1), length * spacing[2 - axis], 0.0) ** 2
    for index in np.argsort(-diagonal, kind="stable"):
        if diagonal[index] > 0:
            yield int(index), float(np.sqrt(diagonal[index]))


def _slice_corners(mask: Mask) -> NDArray[np.intp]:
    """Return the pixels (n, 2) that lie between no two others along a row, column or diagonal."""
    padded = np.pad(mask, 1)
    points = np.argwhere(mask)
    for step in ((0, 1), (1, 0), (1, 1), (1, -1)):
        ahead, behind = (padded[tuple((points + 1 + sign * np.array(step)).T)] for sign in (1, -1))
        points = points[~(ahead & behind)]
    return points


def _outline_hull(points: NDArray[np.intp]) -> Floats:
    """Return the corners (m, d) of the convex hull of the voxels' face centres; `points` (n, d) are voxel centres."""
    dimensions = points.shape[1]
    if np.linalg.matrix_rank(points - points[0]) == dimensions:
        points = points[ConvexHull(points).vertices]
    faces = np.concatenate([np.eye(dimensions), -np.eye(dimensions)]) / 2
    outline: Floats = (points[:, None, :] + faces).reshape(-1, dimensions)
    corners: Floats = outline[np.sort(ConvexHull(outline).vertices)]
    return corners


def _farthest(points: Floats) -> list[int]:
    """Return the indices of the two points (n, d) that are farthest apart; the first such pair."""
    best, pair = -1.0, [0, 0]
    for start in range(0, len(points), _BLOCK):
        squares = cdist(points[start : start + _BLOCK], points[start:], "sqeuclidean")
        row, column = np.unravel_index(int(squares.argmax()), squares.shape)
        if squares[row, column] > best + _TOLERANCE:
            best, pair = float(squares[row, column]), [start + int(row), start + int(column)]
    return pair


def _outline(mask: Mask) -> Floats:
    """Return the outline of a slice as line pieces (n, 2, 2): n times two points (row, column) in pixels.

    Per square of four pixel centres: the middles of those sides whose ends differ, joined.
    """
    padded = np.pad(mask, 1)
    a, b, c, d = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    sides = (a != b, a != c, c != d, b != d)
    middles = np.array([(0.0, 0.5), (0.5, 0.0), (1.0, 0.5), (0.5, 1.0)]) - 1
    pieces = []
    for one, other in combinations(range(4), 2):
        squares = np.argwhere(sides[one] & sides[other])
        pieces.append(np.stack([squares + middles[one], squares + middles[other]], axis=1))
    return np.concatenate(pieces)


def _extents(offsets: Floats, t: Floats, s: Floats) -> tuple[Floats, Floats]:
    """Return the lowest and highest `s` (m,) of the line pieces at each of the sorted offsets (m,).

    `t`, `s` are (n, 2): coordinates of the ends along and across the long axis. A speckled mask has about as many
    offsets as pieces, in the order of its pixels: there the offsets are taken in short stretches, each with the pieces
    that come near it and can be outermost in it. The values are the same either way.
    """
    swap = t[:, :1] > t[:, 1:]
    t, s = np.where(swap, t[:, ::-1], t), np.where(swap, s[:, ::-1], s)
    if offsets.size * len(t) <= _PAIRS:
        return _extent_at(offsets, t, s)
    order = np.argsort(t[:, 0], kind="stable")
    t, s = t[order], s[order]
    longest = float((t[:, 1] - t[:, 0]).max())
    spans = []
    for at in _stretches(offsets, longest / 4):
        first, last = np.searchsorted(t[:, 0], (at[0] - longest - 2 * _TOLERANCE, at[-1] + 2 * _TOLERANCE))
        spans.append(_extent_at(at, *_outermost(at, t[first:last], s[first:last])))
    low, high = (np.concatenate(side) for side in zip(*spans, strict=True))
    return low, high


def _stretches(offsets: Floats, length: float) -> Iterator[Floats]:
    """Yield the sorted offsets in parts of at most `_BLOCK` that are no longer than `length`."""
    start = 0
    while start < offsets.size:
        end = int(np.searchsorted(offsets, offsets[start] + length, side="right"))
        yield offsets[start : min(end, start + _BLOCK)]
        start = min(end, start + _BLOCK)


def _outermost(at: Floats, t: Floats, s: Floats) -> tuple[Floats, Floats]:
    """Return the pieces that can be lowest or highest somewhere in a stretch.

    A piece that reaches from end to end of the stretch bounds it: what lies on the inner side of one such piece, and
    of another one on the other side, is never outermost.
    """
    across = (t[:, 0] <= at[0] + _TOLERANCE) & (at[-1] - _TOLERANCE <= t[:, 1])
    if not across.any():
        return t, s
    lowest, highest = s.min(axis=1), s.max(axis=1)
    kept = (highest >= lowest[across].max()) | (lowest <= highest[across].min())
    return t[kept], s[kept]


def _extent_at(offsets: Floats, t: Floats, s: Floats) -> tuple[Floats, Floats]:
    """Return the lowest and highest `s` (m,) of the line pieces that reach each offset.

    `t`, `s` are (n, 2): coordinates of the ends along and across the long axis, `t` ascending within a piece.
    """
    at = offsets[:, None]
    reaches = (t[:, 0] <= at + _TOLERANCE) & (at - _TOLERANCE <= t[:, 1])
    length = t[:, 1] - t[:, 0]
    upright = length <= _TOLERANCE
    share = np.clip((at - t[:, 0]) / np.where(upright, 1.0, length), 0.0, 1.0)
    crossing = s[:, 0] + share * (s[:, 1] - s[:, 0])
    low = np.where(upright, s.min(axis=1), crossing)
    high = np.where(upright, s.max(axis=1), crossing)
    return np.where(reaches, low, np.inf).min(axis=1), np.where(reaches, high, -np.inf).max(axis=1)
