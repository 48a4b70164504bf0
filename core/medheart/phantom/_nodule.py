"""Lung nodules: parameters, how they are drawn at random, and how they are rendered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medheart.phantom._blob import Blob, Bump, blob_box, blob_distance, sample_blob, sample_bumps
from medheart.phantom._fields import Field, correlated_noise, coverage

__all__ = ["Nodule", "render_nodule", "sample_nodule"]

Density = Literal["solid", "part-solid", "ground-glass"]
Margin = Literal["smooth", "lobulated", "spiculated"]
_DENSITIES: tuple[Density, ...] = ("solid", "part-solid", "ground-glass")
_MARGINS: tuple[Margin, ...] = ("smooth", "lobulated", "spiculated")


@dataclass(frozen=True)
class Nodule:
    """One nodule.

    Parameters
    ----------
    body : Blob
        Outline of the labelled nodule.
    density, margin : str
        `solid`, `part-solid` or `ground-glass`; `smooth`, `lobulated` or `spiculated`.
    spicules : tuple of Bump
        Thin strands, which are drawn but not labelled.
    solid_hu : float
        HU of the solid part.
    glass_hu : float
        HU that ground glass adds to the lung.
    core : float
        Radius of the solid core of a part-solid nodule, as a fraction of the whole.
    seed : int
        Seed of the texture.
    """

    body: Blob
    density: Density
    margin: Margin
    spicules: tuple[Bump, ...]
    solid_hu: float
    glass_hu: float
    core: float
    seed: int

    def at(self, centre_mm: tuple[float, float, float]) -> Nodule:
        """Return the same nodule elsewhere."""
        return replace(self, body=replace(self.body, centre_mm=centre_mm))


def sample_nodule(rng: np.random.Generator, *, diameter_mm: tuple[float, float] = (4, 25)) -> Nodule:
    """Draw a nodule, centred at (0, 0, 0); small ones are more frequent, as in screening.

    `diameter_mm` gives the smallest and the largest mean diameter.
    """
    low, high = diameter_mm
    diameter = low * (high / low) ** float(rng.beta(1.2, 1.5))
    density = _DENSITIES[int(rng.choice(3, p=(0.65, 0.17, 0.18) if diameter > 6 else (0.8, 0.0, 0.2)))]
    margin = _MARGINS[int(rng.choice(3, p=(0.45, 0.35, 0.2) if diameter > 7 else (0.8, 0.2, 0.0)))]
    lobes = sample_bumps(rng, int(rng.integers(3, 8)), height=0.08 if margin == "smooth" else 0.3, sharpness=4)
    calcified = density == "solid" and diameter < 12 and rng.random() < 0.1
    spikes = int(rng.integers(8, 20)) if margin == "spiculated" else 0
    return Nodule(
        body=sample_blob(rng, (0.0, 0.0, 0.0), diameter, stretch=0.13, bumps=lobes),
        density=density,
        margin=margin,
        spicules=sample_bumps(rng, spikes, height=0.8, sharpness=90),
        solid_hu=float(rng.uniform(250, 700)) if calcified else float(rng.normal(30, 25)),
        glass_hu=float(rng.uniform(180, 380)),
        core=float(rng.uniform(0.35, 0.7)),
        seed=int(rng.integers(2**31)),
    )


def render_nodule(
    image: Field,
    spacing: tuple[float, float, float],
    nodule: Nodule,
    lung: NDArray[np.bool_],
    *,
    edge_mm: float,
    noise_hu: float = 0.0,
) -> NDArray[np.bool_]:
    """Draw a nodule into an image, in place, inside the lung only.

    Parameters
    ----------
    image : numpy.ndarray
        (K, J, I) HU, float32; changed in place.
    spacing : tuple of float
        Mm along (i, j, k).
    lung : numpy.ndarray
        (K, J, I) where the nodule may grow: the lungs with their vessels.
    edge_mm : float
        Width of the edge from lung to nodule.
    noise_hu : float
        Standard deviation of the noise to add where the image's own was covered.

    Returns
    -------
    numpy.ndarray
        (K, J, I) the labelled nodule, without its spicules.
    """
    reach = max(nodule.body.semi_axes_mm) * (2.3 if nodule.spicules else 1.8) + 3 * max(spacing)
    box, offsets = blob_box(nodule.body, spacing, image.shape, reach)
    inside, local = lung[box], image[box]
    body = blob_distance(nodule.body, offsets)
    whole = body
    if nodule.spicules:
        whole = np.minimum(body, blob_distance(replace(nodule.body, bumps=nodule.spicules), offsets))
    cover = coverage(whole, edge_mm) * inside
    texture = _texture(nodule.seed, cover.shape)
    solid = np.float32(nodule.solid_hu) + 15 * texture
    if noise_hu > 0:
        solid = solid + correlated_noise(np.random.default_rng(nodule.seed + 1), cover.shape, noise_hu)
    if nodule.density != "solid":
        glass = local + np.float32(nodule.glass_hu) * cover * (1 + np.float32(0.25) * texture)
        local[...] = np.maximum(local, glass)
    if nodule.density == "part-solid":
        inset = np.float32((1 - nodule.core) * nodule.body.diameter_mm / 2)
        cover = coverage(body + inset + np.float32(0.8) * texture, edge_mm) * inside
    if nodule.density != "ground-glass":
        local[...] += cover * (np.maximum(solid, np.minimum(local, 60)) - local)
    mask = np.zeros(image.shape, dtype=bool)
    mask[box] = (body <= 0) & inside
    return mask


def _texture(seed: int, shape: tuple[int, ...]) -> Field:
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), 1.5)
    return np.asarray(noise / max(float(noise.std()), 1e-6), dtype=np.float32)
