"""Glioma-like lesions: parameters, rendering, and insertion into real head MR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medheart.errors import GeometryError
from medheart.geometry import Geometry
from medheart.phantom._blob import Blob, blob_box, blob_distance, sample_blob, sample_bumps
from medheart.phantom._fields import Field, smooth_noise
from medheart.schema import load_schema
from medheart.volume import LabelMap, Volume

__all__ = ["Glioma", "insert_glioma", "place_glioma", "render_glioma", "sample_glioma", "tumour_labels"]

NECROSIS, OEDEMA, NON_ENHANCING, ENHANCING = 1, 2, 3, 4
_NAMES = {
    NECROSIS: "tumour_non_enhancing",
    OEDEMA: "oedema",
    NON_ENHANCING: "tumour_non_enhancing",
    ENHANCING: "tumour_enhancing",
}
Levels = tuple[float, float]


@dataclass(frozen=True)
class Glioma:
    """One lesion.

    Parameters
    ----------
    core : Blob
        Outline of the tumour without oedema.
    grade : str
        `high` (enhancing rim around necrosis) or `low` (hardly enhancing).
    rim_mm : float
        Thickness of the enhancing rim.
    enhancing_share, plain_share : float
        How far the rim is closed, and how much of the core does not enhance, 0..1.
    oedema_mm : float
        Reach of the oedema in white matter.
    flair, t1c : dict of int to float
        Brightness per label, relative to white matter, in units of white matter minus dark fluid.
    seed : int
        Seed of the irregular parts.
    """

    core: Blob
    grade: Literal["high", "low"]
    rim_mm: float
    enhancing_share: float
    plain_share: float
    oedema_mm: float
    flair: dict[int, float]
    t1c: dict[int, float]
    seed: int


def sample_glioma(rng: np.random.Generator, centre_mm: tuple[float, float, float]) -> Glioma:
    """Draw a lesion centred at (x, y, z) mm along the array's axes."""
    grade: Literal["high", "low"] = "high" if rng.random() < 0.8 else "low"
    diameter = 14 + 40 * float(rng.beta(1.4, 2.0))
    lobes = sample_bumps(rng, int(rng.integers(4, 10)), height=0.35, sharpness=3.5)
    cystic = rng.random() < 0.4
    return Glioma(
        core=sample_blob(rng, centre_mm, diameter, stretch=0.2, bumps=lobes),
        grade=grade,
        rim_mm=float(rng.uniform(2.0, 5.5)),
        enhancing_share=float(rng.uniform(0.7, 1.0)) if grade == "high" else float(rng.uniform(0, 0.08)),
        plain_share=float(rng.uniform(0.0, 0.3)) if grade == "high" else float(rng.uniform(0.9, 1.0)),
        oedema_mm=float(rng.uniform(5, 26)) if grade == "high" else float(rng.uniform(0, 10)),
        flair={
            NECROSIS: float(rng.uniform(-0.65, -0.2)) if cystic else float(rng.uniform(-0.1, 0.45)),
            OEDEMA: float(rng.uniform(0.35, 0.75)),
            NON_ENHANCING: float(rng.uniform(0.3, 0.6)),
            ENHANCING: float(rng.uniform(0.15, 0.5)),
        },
        t1c={
            NECROSIS: float(rng.uniform(-0.75, -0.45)),
            OEDEMA: float(rng.uniform(-0.3, -0.08)),
            NON_ENHANCING: float(rng.uniform(-0.35, -0.12)),
            ENHANCING: float(rng.uniform(0.45, 1.0)),
        },
        seed=int(rng.integers(2**31)),
    )


def insert_glioma(
    flair: Volume, t1c: Volume | None, brain_mask: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Volume, Volume | None, NDArray[np.uint8]]:
    """Return copies of head MR images with one simulated glioma, and its labels.

    Parameters
    ----------
    flair, t1c : Volume
        Images on one grid; `t1c` (T1 with contrast medium) may be None.
    brain_mask : numpy.ndarray
        Boolean (K, J, I), as `medheart.phantom.brain_mask` finds it.

    Returns
    -------
    Volume, Volume or None
        The images with the lesion, in their own data types.
    numpy.ndarray
        uint8 (K, J, I), values of BraTS 2013: 1 necrosis, 2 oedema, 3 non-enhancing tumour,
        4 enhancing tumour; `tumour_labels` turns them into the schema `brain-tumour`.

    Raises
    ------
    GeometryError
        If grids and mask differ, or the mask holds no place for a lesion.
    """
    if brain_mask.shape != flair.array.shape or (t1c is not None and not t1c.geometry.matches(flair.geometry)):
        raise GeometryError("flair, t1c and brain_mask must lie on one grid")
    i, j, k = (float(s) for s in flair.geometry.spacing)
    images = {"flair": flair.array.astype(np.float32)}
    if t1c is not None:
        images["t1c"] = t1c.array.astype(np.float32)
    glioma = sample_glioma(rng, place_glioma(rng, brain_mask, (i, j, k)))
    labels = render_glioma(images, (i, j, k), glioma, brain_mask, noise=True)
    return _like(flair, images["flair"]), None if t1c is None else _like(t1c, images["t1c"]), labels


def tumour_labels(parts: NDArray[np.integer[Any]], geometry: Geometry) -> LabelMap:
    """Return the label map of schema `brain-tumour` for the four parts.

    Parameters
    ----------
    parts : numpy.ndarray
        (K, J, I): 1 necrosis, 2 oedema, 3 non-enhancing, 4 enhancing, as in BraTS 2013.
    """
    schema = load_schema("brain-tumour")
    table = np.zeros(5, dtype=np.uint8)
    for part, name in _NAMES.items():
        table[part] = schema.by_name(name).value
    return LabelMap(table[parts], geometry, schema)


def _like(volume: Volume, image: Field) -> Volume:
    kind: Any = volume.array.dtype
    array = np.rint(image).astype(kind) if kind.kind in "iu" else image.astype(kind)
    return Volume(array, volume.geometry, volume.modality, dict(volume.meta))


def place_glioma(
    rng: np.random.Generator, brain: NDArray[np.bool_], spacing: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Draw a centre (x, y, z) in mm along the array's axes, at least 10 mm below the brain's surface."""
    step = max(1, round(3.0 / min(spacing)))
    coarse = np.pad(brain[::step, ::step, ::step], 1)
    depth = ndimage.distance_transform_edt(coarse, sampling=[s * step for s in spacing[::-1]])[1:-1, 1:-1, 1:-1]
    room = np.argwhere(depth > min(10.0, 0.5 * float(depth.max())))
    if len(room) == 0:
        raise GeometryError("the brain mask is empty: no place for a lesion")
    index = room[int(rng.integers(len(room)))] * step
    x, y, z = (float(v * s) for v, s in zip(index[::-1], spacing, strict=True))
    return x, y, z


def render_glioma(
    images: dict[str, Field],
    spacing: tuple[float, float, float],
    glioma: Glioma,
    brain: NDArray[np.bool_],
    *,
    noise: bool = False,
) -> NDArray[np.uint8]:
    """Draw a lesion into images, in place, inside the brain only; return its labels (K, J, I).

    Parameters
    ----------
    images : dict of str to numpy.ndarray
        `flair` and, where there is one, `t1c`: (K, J, I) float32 in any units.
    brain : numpy.ndarray
        Boolean (K, J, I).
    noise : bool
        Whether to keep the image's own fine grain inside the lesion.
    """
    reach = max(glioma.core.semi_axes_mm) * 1.8 + 1.6 * glioma.oedema_mm + 4 * max(spacing)
    box, offsets = blob_box(glioma.core, spacing, brain.shape, reach)
    inside = brain[box]
    flair_level = _levels(images["flair"], brain)
    fluid = (images["flair"][box] - flair_level[0]) / flair_level[1] < -0.55
    parts = _parts(glioma, offsets, spacing, inside, fluid)
    for role, contrast in (("flair", glioma.flair), ("t1c", glioma.t1c)):
        if role in images:
            local, levels = images[role][box], _levels(images[role], brain)
            texture = smooth_noise(np.random.default_rng(glioma.seed + 1), _size(local), spacing, 5.0)
            _paint(local, parts, contrast, levels, texture=texture, noise=noise)
    labels = np.zeros(brain.shape, dtype=np.uint8)
    stack = np.stack([parts[n] for n in (NECROSIS, OEDEMA, NON_ENHANCING, ENHANCING)])
    local = np.argmax(stack, axis=0).astype(np.uint8) + 1
    labels[box] = np.where((stack.sum(axis=0) > 0.5) & inside, local, 0)
    return labels


def _levels(image: Field, brain: NDArray[np.bool_]) -> Levels:
    """Return white matter's brightness, and the step from dark fluid to it, from the brain's histogram."""
    values = image[brain][::7]
    low, middle = np.percentile(values, [2, 50])
    return float(middle), max(float(middle - low), 1e-3)


def _parts(
    glioma: Glioma,
    offsets: tuple[Field, Field, Field],
    spacing: tuple[float, float, float],
    inside: NDArray[np.bool_],
    fluid: NDArray[np.bool_],
) -> dict[int, Field]:
    """Return the fraction of each label per voxel of the box."""
    rng = np.random.default_rng(glioma.seed)
    size = _size(inside)
    edge = float(np.prod(spacing) ** (1 / 3)) * 1.3
    fine, broad, fingers = (smooth_noise(rng, size, spacing, scale) for scale in (6.0, 16.0, 22.0))
    core = blob_distance(glioma.core, offsets) + 0.8 * fine + 1.2 * broad
    rim = glioma.rim_mm * np.clip(1 + 0.4 * broad + 0.3 * fine, 0.25, 2.2)
    limit = np.quantile(fingers, [glioma.enhancing_share, glioma.plain_share])

    def cover(distance: Field) -> Field:
        """Return the share of each voxel inside, by its distance from the surface."""
        return np.asarray(np.clip(0.5 - distance / edge, 0, 1), dtype=np.float32)

    tumour = cover(core) * inside
    centre = cover(core + rim)
    lit = cover((fingers - limit[0]) * 6) if glioma.enhancing_share < 1 else np.ones(size, np.float32)
    plain = cover((fingers - limit[1]) * 6)
    reach = glioma.oedema_mm * (1 + 0.55 * fingers) * (1 - 0.75 * fluid)
    oedema = np.maximum(cover((core - reach) / 2), tumour) * inside * ~fluid if glioma.oedema_mm > 1 else tumour
    ring = (1 - centre) * lit
    dead = centre * (1 - plain)
    return {
        NECROSIS: np.asarray(tumour * dead, np.float32),
        OEDEMA: np.asarray(np.clip(oedema - tumour, 0, 1), np.float32),
        NON_ENHANCING: np.asarray(tumour * (1 - dead - ring), np.float32),
        ENHANCING: np.asarray(tumour * ring, np.float32),
    }


def _size(image: NDArray[Any]) -> tuple[int, int, int]:
    return image.shape[0], image.shape[1], image.shape[2]


def _paint(
    local: Field, parts: dict[int, Field], contrast: dict[int, float], levels: Levels, *, texture: Field, noise: bool
) -> None:
    """Blend the parts into a box of the image, in place."""
    grain = local - ndimage.gaussian_filter(local, 1.0) if noise else np.zeros_like(local)
    grain = np.clip(grain, -0.15 * levels[1], 0.15 * levels[1])
    for label, cover in parts.items():
        strength = 0.09 if label == OEDEMA else 0.06
        target = levels[0] + levels[1] * (np.float32(contrast[label]) + np.float32(strength) * texture)
        share = np.float32(0.75 if label == OEDEMA else 1.0) * cover
        local[...] += share * (target + grain - local)
