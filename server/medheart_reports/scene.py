"""Pictures of surfaces by ray casting with Embree: no display, no GPU, no system package.

Labels are opaque, with diffuse light and ambient occlusion; the outline of the body is glass, seen where it bends
away. The camera looks from the front, a little from the left and from above, without perspective.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from medheart_reports.surfaces import Mesh

__all__ = ["Camera", "Glass", "camera_for", "render"]

Colour = tuple[int, int, int]
Floats = NDArray[np.float32]

_FROM = (0.45, -1.0, 0.35)
_MARGIN = 1.08
_SAMPLES = 2
_OCCLUSION_RAYS = 6
_GLASS_LAYERS = 4
_TOP = np.array([0.115, 0.135, 0.17], dtype=np.float32)
_BOTTOM = np.array([0.02, 0.025, 0.035], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Camera:
    """An orthographic camera.

    Parameters
    ----------
    right, up, forward : numpy.ndarray
        (3,) unit vectors, LPS.
    centre : numpy.ndarray
        (3,) LPS mm, in the middle of the picture.
    width_mm : float
        Side of the square picture.
    """

    right: Floats
    up: Floats
    forward: Floats
    centre: Floats
    width_mm: float

    def rays(self, pixels: int) -> tuple[Floats, Floats]:
        """Return origins and directions (n, 3) of one ray for each pixel, row by row from the top."""
        steps = ((np.arange(pixels) + 0.5) / pixels - 0.5) * self.width_mm
        across, down = np.meshgrid(steps, -steps)
        plane = across[..., None] * self.right + down[..., None] * self.up
        origins = (self.centre + plane - self.forward * 4 * self.width_mm).reshape(-1, 3)
        return origins.astype(np.float32), np.broadcast_to(self.forward, origins.shape).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Glass:
    """A transparent surface: RGB 0..255, how much it covers where seen straight on, and more where it turns away."""

    mesh: Mesh
    colour: Colour = (158, 184, 219)
    cover: float = 0.03
    edge: float = 0.30


def camera_for(meshes: Sequence[Mesh]) -> Camera:
    """Return a camera that sees all meshes."""
    forward = -np.array(_FROM) / np.linalg.norm(_FROM)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(right, forward), forward])
    points = np.concatenate([mesh.vertices for mesh in meshes]) @ axes.T
    low, high = points.min(axis=0), points.max(axis=0)
    width = float((high - low)[:2].max()) * _MARGIN
    right, up, ahead = axes.astype(np.float32)
    return Camera(right, up, ahead, ((low + high) / 2 @ axes).astype(np.float32), max(width, 1.0))


def render(
    labels: Sequence[tuple[Mesh, Colour]], glass: Sequence[Glass], camera: Camera, size: int
) -> NDArray[np.uint8]:
    """Return a picture.

    Parameters
    ----------
    labels : sequence of (Mesh, colour)
        Opaque surfaces with RGB 0..255.
    glass : sequence of Glass
        Transparent surfaces around them.
    camera : Camera
    size : int
        Pixels along each side.

    Returns
    -------
    numpy.ndarray
        (size, size, 3) uint8.
    """
    pixels = size * _SAMPLES
    rays = camera.rays(pixels)
    blend = np.repeat(np.linspace(0, 1, pixels, dtype=np.float32), pixels)[:, None]
    ground = np.asarray(_TOP * (1 - blend) + _BOTTOM * blend, dtype=np.float32)
    canvas = _Canvas(ground, np.full(pixels**2, np.inf, dtype=np.float32))
    if labels:
        _draw_labels(labels, camera, rays, canvas)
    for outline in glass:
        _draw_glass(outline, rays, canvas)
    picture = canvas.colour.reshape(size, _SAMPLES, size, _SAMPLES, 3).mean(axis=(1, 3))
    return np.asarray(np.clip(picture, 0, 1) ** (1 / 1.25) * 255 + 0.5, dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class _Canvas:
    """Colour (n, 3) and distance of the opaque surface (n,) of every ray; painted in place."""

    colour: Floats
    depth: Floats


class _Surfaces:
    """Meshes in one Embree scene, with normals looked up at a hit."""

    def __init__(self, meshes: Sequence[Mesh]) -> None:
        self._meshes = meshes
        self._scene = EmbreeScene()
        self._kept = [TriangleMesh(self._scene, mesh.vertices, mesh.triangles) for mesh in meshes]

    def free(self, origins: Floats, directions: Floats) -> Floats:
        """Return per ray the distance to the first surface, infinite where there is none."""
        found = self._scene.run(np.ascontiguousarray(origins), np.ascontiguousarray(directions), output=1)
        return np.where(found["geomID"] < 0, np.float32(np.inf), found["tfar"])

    def hit(self, origins: Floats, directions: Floats) -> tuple[NDArray[np.int32], Floats, Floats]:
        """Return per ray the mesh (-1: none), the distance, and the unit normal turned towards the ray's origin."""
        found = self._scene.run(np.ascontiguousarray(origins), np.ascontiguousarray(directions), output=1)
        which, normals = found["geomID"], np.zeros_like(origins)
        for number, mesh in enumerate(self._meshes):
            rays = np.flatnonzero(which == number)
            corners = mesh.normals[mesh.triangles[found["primID"][rays]]]
            u, v = found["u"][rays, None], found["v"][rays, None]
            normal = corners[:, 0] * (1 - u - v) + corners[:, 1] * u + corners[:, 2] * v
            normal = _unit(normal)
            normals[rays] = normal * -np.sign(np.einsum("ij,ij->i", normal, directions[rays]))[:, None]
        return which, found["tfar"], normals


def _unit(vectors: Floats) -> Floats:
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return np.asarray(vectors / np.maximum(length, np.float32(1e-6))[:, None], dtype=np.float32)


def _draw_labels(
    labels: Sequence[tuple[Mesh, Colour]], camera: Camera, view_rays: tuple[Floats, Floats], canvas: _Canvas
) -> None:
    """Paint the opaque surfaces."""
    origins, directions = view_rays
    surfaces = _Surfaces([mesh for mesh, _ in labels])
    which, distance, normals = surfaces.hit(origins, directions)
    rays = np.flatnonzero(which >= 0)
    normal = normals[rays]
    points = origins[rays] + directions[rays] * distance[rays, None] + normal * (1e-3 * camera.width_mm)
    light = camera.up * 0.6 - camera.right * 0.45 - camera.forward * 0.8
    light = light / np.linalg.norm(light)
    half = (light - camera.forward) / np.linalg.norm(light - camera.forward)
    diffuse = np.clip(normal @ light, 0, 1)
    shine = np.clip(normal @ half, 0, 1) ** 36
    open_sky = _openness(surfaces, points.astype(np.float32), normal, camera.width_mm)
    base = np.array([rgb for _, rgb in labels], dtype=np.float32)[which[rays]] / 255
    canvas.colour[rays] = (
        base * (0.34 * open_sky + 0.78 * diffuse * (0.4 + 0.6 * open_sky))[:, None] + 0.16 * shine[:, None]
    )
    canvas.depth[rays] = distance[rays]


def _openness(surfaces: _Surfaces, points: Floats, normals: Floats, reach: float) -> Floats:
    """Return per point the share of the half space above it that nothing nearby covers."""
    rng = np.random.default_rng(0)
    free = np.zeros(len(points), dtype=np.float32)
    for _ in range(_OCCLUSION_RAYS):
        directions = rng.standard_normal(points.shape, dtype=np.float32)
        directions = normals + np.float32(0.98) * _unit(directions)
        directions = _unit(directions)
        free += np.clip(surfaces.free(points, directions) / np.float32(0.25 * reach), 0, 1)
    return free / _OCCLUSION_RAYS


def _draw_glass(glass: Glass, view_rays: tuple[Floats, Floats], canvas: _Canvas) -> None:
    """Lay a transparent surface over what is there, in front of what is opaque; brightest where it turns away."""
    origins, directions = view_rays
    surfaces = _Surfaces([glass.mesh])
    rays = np.arange(len(origins))
    starts = origins.copy()
    travelled = np.zeros(len(origins), dtype=np.float32)
    cover = np.zeros(len(origins), dtype=np.float32)
    for _ in range(_GLASS_LAYERS):
        which, distance, normals = surfaces.hit(starts, directions[rays])
        travelled = travelled + distance
        hit = (which >= 0) & (travelled < canvas.depth[rays])
        rays, starts, travelled = rays[hit], starts[hit], travelled[hit]
        if not rays.size:
            break
        facing = np.abs(np.einsum("ij,ij->i", normals[hit], directions[rays]))
        cover[rays] = 1 - (1 - cover[rays]) * (1 - (glass.cover + glass.edge * (1 - facing) ** 3))
        starts = starts + directions[rays] * (distance[hit] + 0.05)[:, None]
        travelled = travelled + np.float32(0.05)
    canvas.colour[:] += (np.array(glass.colour, dtype=np.float32) / 255 - canvas.colour) * cover[:, None]
