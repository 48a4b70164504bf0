"""The head MR phantom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medheart.geometry import Geometry
from medheart.phantom._fields import Field, Grid, smooth_noise
from medheart.phantom._head import Tissues, head_tissues, sample_head
from medheart.phantom.glioma import place_glioma, render_glioma, sample_glioma, tumour_labels
from medheart.volume import LabelMap, Volume

__all__ = ["brain_mr"]

# Brightness of each tissue, white matter = 1.
_FLAIR = {"white": 1.0, "grey": 1.22, "fluid": 0.25, "skull": 0.12, "scalp": 1.35, "vessel": 0.3}
_T1C = {"white": 1.0, "grey": 0.78, "fluid": 0.3, "skull": 0.12, "scalp": 1.7, "vessel": 1.9}
_SEQUENCES = {"flair": ("FLAIR", _FLAIR), "t1c": ("T1 with contrast medium", _T1C)}


def brain_mr(
    seed: int,
    *,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    shape: tuple[int, int, int] = (160, 208, 176),
    lesions: int = 1,
    skull: bool = True,
    noise: float = 0.03,
) -> tuple[dict[str, Volume], LabelMap]:
    """Return FLAIR and contrast-enhanced T1 images of a head with glioma-like lesions, and their labels.

    Parameters
    ----------
    seed : int
        Everything follows from it.
    spacing : tuple of float
        Mm along (i, j, k).
    shape : tuple of int
        (K, J, I); the grid is centred on the head.
    lesions : int
        Number of lesions; overlapping ones merge.
    skull : bool
        Whether skull and scalp are there; without, the background is 0 as after skull stripping.
    noise : float
        Standard deviation of the Rician noise as a fraction of white matter's brightness.

    Returns
    -------
    dict of str to Volume
        `flair` and `t1c`: MR, int16, (K, J, I), axes along L, P, S, on one grid.
    LabelMap
        uint8, schema `brain-tumour` (necrosis and non-enhancing tumour are one label there); same grid.
    """
    rng = np.random.default_rng(seed)
    grid = Grid(shape, spacing, (0.0, 8.0, -4.0))
    tissues = head_tissues(rng, sample_head(rng), grid)
    images = {role: _mix(rng, tissues, values, spacing) for role, (_, values) in _SEQUENCES.items()}
    brain = tissues.brain > 0.5
    labels = np.zeros(shape, dtype=np.uint8)
    for _ in range(lesions):
        glioma = sample_glioma(rng, place_glioma(rng, brain, spacing))
        drawn = render_glioma(images, spacing, glioma, brain)
        labels[drawn > 0] = drawn[drawn > 0]
    geometry = Geometry.from_parts(shape=shape, spacing=spacing, origin=grid.origin)
    volumes = {}
    for role, (name, _) in _SEQUENCES.items():
        array = _scan(rng, images[role], spacing, noise, None if skull else brain)
        meta = {
            "body_part": "BRAIN",
            "series_description": f"Head phantom {name}",
            "sequence": name,
            "slice_thickness_mm": spacing[2],
            "provenance": f"medheart.phantom.brain_mr seed {seed}",
        }
        volumes[role] = Volume(array, geometry, "MR", meta)
    return volumes, tumour_labels(labels, geometry)


def _mix(
    rng: np.random.Generator, tissues: Tissues, value: dict[str, float], spacing: tuple[float, float, float]
) -> Field:
    """Return the noise-free image, white matter = 1."""
    size = tissues.brain.shape
    brain = value["white"] + (value["grey"] - value["white"]) * tissues.grey
    brain += np.float32(0.03) * smooth_noise(rng, (size[0], size[1], size[2]), spacing, 8.0)
    brain += (value["fluid"] - brain) * tissues.fluid
    image = brain * tissues.brain + value["skull"] * tissues.skull + value["scalp"] * tissues.scalp
    image += (value["vessel"] - image) * tissues.vessel
    return np.asarray(image, dtype=np.float32)


def _scan(
    rng: np.random.Generator,
    image: Field,
    spacing: tuple[float, float, float],
    noise: float,
    brain: NDArray[np.bool_] | None,
) -> NDArray[np.int16]:
    """Return the image through coils, point spread and Rician noise, as int16."""
    size = (image.shape[0], image.shape[1], image.shape[2])
    bias = np.exp(np.float32(0.12) * smooth_noise(rng, size, spacing, 120.0))
    sharp = ndimage.gaussian_filter(image, [0.45, 0.5 / spacing[1], 0.5 / spacing[0]], truncate=3) * bias
    real = sharp + np.float32(noise) * rng.standard_normal(size, dtype=np.float32)
    magnitude = np.hypot(real, np.float32(noise) * rng.standard_normal(size, dtype=np.float32))
    if brain is not None:
        magnitude = magnitude * brain
    return np.asarray(np.rint(magnitude * np.float32(rng.uniform(250, 600))), dtype=np.int16)
