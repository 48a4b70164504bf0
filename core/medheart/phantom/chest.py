"""The chest CT phantom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medheart.geometry import Geometry
from medheart.phantom._chest import sample_chest
from medheart.phantom._chest_image import render_chest
from medheart.phantom._fields import Field, Grid, correlated_noise
from medheart.phantom._nodule import render_nodule
from medheart.phantom.nodules import place_nodules
from medheart.schema import load_schema
from medheart.volume import LabelMap, Volume

__all__ = ["chest_ct"]


def chest_ct(
    seed: int,
    *,
    spacing: tuple[float, float, float] = (1.1, 1.1, 1.5),
    shape: tuple[int, int, int] = (200, 320, 320),
    centre_mm: tuple[float, float, float] = (0.0, 5.0, 0.0),
    nodules: int = 3,
    noise_hu: float = 22.0,
) -> tuple[Volume, LabelMap]:
    """Return a chest CT with lung nodules, and their labels.

    The build of the patient follows from the seed alone; a smaller field of view cuts it. Vessels and
    irregular details also depend on the grid.

    Parameters
    ----------
    seed : int
        Everything follows from it.
    spacing : tuple of float
        Mm along (i, j, k).
    shape : tuple of int
        (K, J, I).
    centre_mm : tuple of float
        LPS mm of the middle of the grid; (0, 0, 0) is the middle of the chest.
    nodules : int
        Number of nodules wanted; fewer where the field of view holds no room.
    noise_hu : float
        Standard deviation of the image noise.

    Returns
    -------
    Volume
        CT, int16 HU, (K, J, I), axes along L, P, S.
    LabelMap
        uint8, schema `lung-nodule`, 1 = nodule; same grid.
    """
    rng = np.random.default_rng(seed)
    grid = Grid(shape, spacing, centre_mm)
    image, lung = render_chest(rng, sample_chest(rng), grid)
    labels = np.zeros(shape, dtype=np.uint8)
    for nodule in place_nodules(rng, image, lung, spacing, nodules):
        labels[render_nodule(image, spacing, nodule, lung, edge_mm=grid.edge_mm)] = 1
    geometry = Geometry.from_parts(shape=shape, spacing=spacing, origin=grid.origin)
    meta = {
        "body_part": "CHEST",
        "series_description": "Chest CT phantom",
        "slice_thickness_mm": spacing[2],
        "window": [-600, 1500],
        "provenance": f"medheart.phantom.chest_ct seed {seed}",
    }
    volume = Volume(_scan(rng, image, grid, noise_hu), geometry, "CT", meta)
    return volume, LabelMap(labels, geometry, load_schema("lung-nodule"))


def _scan(rng: np.random.Generator, image: Field, grid: Grid, noise_hu: float) -> NDArray[np.int16]:
    """Return the image through point spread and noise, as int16 HU."""
    sigma = [0.45, 0.55 / grid.spacing[1], 0.55 / grid.spacing[0]]
    blurred = ndimage.gaussian_filter(image, sigma, truncate=3)
    blurred += correlated_noise(rng, image.shape, noise_hu)
    return np.asarray(np.clip(np.rint(blurred), -1024, 3071), dtype=np.int16)
