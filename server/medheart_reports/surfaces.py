"""Triangle surfaces of labels, and of the body or lungs around them, in the patient's millimetres."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import marching_cubes

from medheart.geometry import Geometry

__all__ = ["Mesh", "body_surfaces", "label_surface"]

_CELLS = 112
"""Cells along the longest side of what a surface is made from; finer masks are averaged."""
_PARTS = 60
_COARSE_MM = 4.0
_WHOLE_MM = 120.0
_SKIN_HU = -300
_AIR_HU = -450
_LUNG_ML = 150.0


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle surface.

    Parameters
    ----------
    vertices : numpy.ndarray
        (n, 3) float32, LPS mm.
    triangles : numpy.ndarray
        (m, 3) int32.
    normals : numpy.ndarray
        (n, 3) float32 unit vectors; which side they point to is not defined.
    """

    vertices: NDArray[np.float32]
    triangles: NDArray[np.int32]
    normals: NDArray[np.float32]


def label_surface(
    labels: NDArray[Any], value: int, geometry: Geometry, *, box: tuple[slice, slice, slice] | None = None
) -> Mesh | None:
    """Return the surface of one label, of its 60 largest connected parts.

    Each part is averaged to at most 112 cells along its longest side and smoothed by about a voxel of the coarser
    spacing: made to be looked at, not to be measured. A part of a single voxel still shows.

    Parameters
    ----------
    labels : numpy.ndarray
        (z, y, x) label values.
    value : int
        Label to show.
    geometry : Geometry
        Grid of `labels`.
    box : tuple of slice, optional
        Part of `labels` (z, y, x) that holds the label, where it is known.

    Returns
    -------
    Mesh or None
        None where the label has no voxel.
    """
    if box is None:
        box = (slice(0, labels.shape[0]), slice(0, labels.shape[1]), slice(0, labels.shape[2]))
    mask = labels[box] == value
    if not mask.any():
        return None
    marked, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    boxes = ndimage.find_objects(marked)
    sizes = np.bincount(marked.reshape(-1), minlength=count + 1)[1:]
    meshes = []
    for number in np.argsort(-sizes, kind="stable")[:_PARTS]:
        start = [outer.start + inner.start for outer, inner in zip(box, boxes[number], strict=True)]
        meshes.append(_part_surface(marked[boxes[number]] == number + 1, start, geometry))
    return _joined(meshes)


def _part_surface(mask: NDArray[np.bool_], start: list[int], geometry: Geometry) -> Mesh:
    factors = [-(-n // _CELLS) for n in mask.shape]
    field = np.pad(_averaged(mask, factors), 3)
    spacing = np.array(geometry.spacing_kji) * factors
    field = ndimage.gaussian_filter(field, 0.7 * spacing.max() / spacing)
    offset = [s - 3 * f + (f - 1) / 2 for s, f in zip(start, factors, strict=True)]
    return _mesh(field, min(0.5, float(field.max()) / 2), geometry, factors, offset)


def _joined(meshes: list[Mesh]) -> Mesh:
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    triangles = [mesh.triangles + np.int32(start) for mesh, start in zip(meshes, starts, strict=True)]
    vertices, normals = ([getattr(mesh, name) for mesh in meshes] for name in ("vertices", "normals"))
    return Mesh(np.concatenate(vertices), np.concatenate(triangles), np.concatenate(normals))


def body_surfaces(image: NDArray[Any], modality: str, geometry: Geometry) -> Iterator[Mesh]:
    """Yield the skin, and for CT the lungs, where the image shows a whole region of the body (120 mm each way).

    `image` is (z, y, x). Sampled every 4 mm: an outline to see where in the body a label lies.
    """
    if min(geometry.extent_mm) < _WHOLE_MM:
        return
    factors = [max(1, round(_COARSE_MM / mm)) for mm in geometry.spacing_kji]
    coarse = ndimage.gaussian_filter(image[tuple(slice(None, None, f) for f in factors)].astype(np.float32), 0.7)
    if min(coarse.shape) < 8 or float(coarse.min()) == float(coarse.max()):
        return
    body = _largest(coarse > (_SKIN_HU if modality == "CT" else threshold_otsu(coarse) * 0.6))
    solid = np.stack([ndimage.binary_fill_holes(part) for part in body])
    yield from _outline(solid, geometry, factors)
    if modality == "CT":
        air = ndimage.binary_opening(solid & (coarse < _AIR_HU), iterations=1)
        marked, count = ndimage.label(air)
        voxel_ml = geometry.voxel_volume_mm3 * float(np.prod(factors)) / 1000
        sizes = np.bincount(marked.reshape(-1), minlength=count + 1) * voxel_ml
        sizes[0] = 0
        yield from _outline(np.isin(marked, np.flatnonzero(sizes > _LUNG_ML)), geometry, factors)


def _outline(mask: NDArray[np.bool_], geometry: Geometry, factors: list[int]) -> Iterator[Mesh]:
    field = ndimage.gaussian_filter(mask.astype(np.float32), 0.8)
    if field.min() < 0.5 < field.max():
        yield _mesh(field, 0.5, geometry, factors, [0.0, 0.0, 0.0])


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    marked, _ = ndimage.label(mask)
    sizes = np.bincount(marked.reshape(-1))
    sizes[0] = 0
    largest: NDArray[np.bool_] = marked == int(sizes.argmax())
    return largest if sizes.max() > 0 else mask


def _averaged(mask: NDArray[np.bool_], factors: list[int]) -> NDArray[np.float32]:
    if max(factors) == 1:
        return mask.astype(np.float32)
    padded = np.pad(mask, [(0, -n % f) for n, f in zip(mask.shape, factors, strict=True)])
    split = [part for n, f in zip(padded.shape, factors, strict=True) for part in (n // f, f)]
    averaged: NDArray[np.float32] = padded.reshape(split).mean(axis=(1, 3, 5), dtype=np.float32)
    return averaged


def _mesh(
    field: NDArray[np.float32], level: float, geometry: Geometry, factors: list[int], offset: list[float]
) -> Mesh:
    cells, triangles, _, _ = marching_cubes(field, level, allow_degenerate=False)
    index = cells * np.array(factors) + np.array(offset)
    vertices = geometry.index_to_lps(index[:, ::-1])
    return Mesh(vertices.astype(np.float32), triangles.astype(np.int32), _normals(vertices, triangles))


def _normals(vertices: NDArray[np.float64], triangles: NDArray[Any]) -> NDArray[np.float32]:
    """Return unit normals (n, 3) at the vertices: the mean of the triangles around, weighted by area."""
    a, b, c = (vertices[triangles[:, n]] for n in range(3))
    faces = np.repeat(np.cross(b - a, c - a), 3, axis=0)
    sums = [np.bincount(triangles.reshape(-1), faces[:, axis], len(vertices)) for axis in range(3)]
    normals = np.stack(sums, axis=1).astype(np.float32)
    length = np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return np.asarray(normals / length, dtype=np.float32)
