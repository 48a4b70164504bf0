"""The same images on other grids: for tests of everything that handles geometry."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from medheart.geometry import Geometry
from medheart.volume import LabelMap, Volume

__all__ = ["flipped", "random_geometry", "turned"]

Image = TypeVar("Image", Volume, LabelMap)


def random_geometry(rng: np.random.Generator, shape: tuple[int, int, int], *, left_handed: bool = False) -> Geometry:
    """Draw an oblique, anisotropic grid: spacing 0.4 to 5 mm per axis, any direction, origin within 300 mm.

    Parameters
    ----------
    shape : tuple of int
        (K, J, I).
    left_handed : bool
        Whether i × j shall point against k.
    """
    direction, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    if (np.linalg.det(direction) < 0) != left_handed:
        direction[:, 2] *= -1
    return Geometry.from_parts(
        shape=shape, spacing=rng.uniform(0.4, 5, 3), origin=rng.uniform(-300, 300, 3), direction=direction
    )


def turned(image: Image, rotation: NDArray[np.float64]) -> Image:
    """Return the image with the patient turned about the origin of LPS: same voxels, oblique axes.

    Parameters
    ----------
    rotation : numpy.ndarray
        (3, 3) orthogonal.
    """
    turn = np.eye(4)
    turn[:3, :3] = rotation
    return replace(image, geometry=Geometry(image.geometry.shape, turn @ image.geometry.affine))


def flipped(image: Image, axis: int) -> Image:
    """Return the image stored the other way along an array axis (0 = K): same patient, other handedness."""
    flips = tuple(axis == n for n in range(3))
    grid = image.geometry.reoriented((0, 1, 2), (flips[0], flips[1], flips[2]))
    return replace(image, array=np.flip(image.array, axis).copy(), geometry=grid)
