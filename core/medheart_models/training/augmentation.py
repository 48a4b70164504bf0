"""Augmentation of a batch: one function draws the parameters, others apply them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

__all__ = ["Augmentation", "apply", "sample"]


@dataclass(frozen=True, eq=False)
class Augmentation:
    """What happens to each image of a batch of size B.

    Parameters
    ----------
    matrices : numpy.ndarray
        (B, 3, 3), from offsets of the result (k, j, i in voxels from its centre) to offsets in the window.
    shifts : numpy.ndarray
        (B, 3) voxels.
    elastic : numpy.ndarray
        (B, 3, 5, 7, 5) displacements in voxels at coarse control points.
    trims : numpy.ndarray
        (B, 3, 2) voxels cut from the low and high end of each axis, as if the field of view were smaller.
    gain, offset, gamma, noise, blur, coarse : numpy.ndarray
        (B,) contrast factor, brightness in standard deviations, exponent, sd of the noise, sd of the
        smoothing in voxels (0: none), factor of a coarser grid (1: none).
    seed : int
        For the noise.
    """

    matrices: NDArray[np.float64]
    shifts: NDArray[np.float64]
    elastic: NDArray[np.float64]
    trims: NDArray[np.int64]
    gain: NDArray[np.float64]
    offset: NDArray[np.float64]
    gamma: NDArray[np.float64]
    noise: NDArray[np.float64]
    blur: NDArray[np.float64]
    coarse: NDArray[np.float64]
    seed: int


def sample(batch: int, rng: np.random.Generator, settings: dict[str, Any]) -> Augmentation:
    """Draw the parameters; `settings` holds the strengths (see the recipes)."""
    angles = np.radians(rng.normal(0, settings["rotation_deg"], (batch, 3)))
    scale = np.exp(rng.normal(0, settings["scale"], (batch, 1)) + rng.normal(0, settings["anisotropy"], (batch, 3)))
    flips = np.where(rng.random((batch, 3)) < np.array(settings["mirror"]), -1.0, 1.0)
    matrices = np.stack([_rotation(a) for a in angles]) * (scale * flips)[:, None, :]

    def sometimes(values: NDArray[np.float64], neutral: float, key: str) -> NDArray[np.float64]:
        """Keep values with the probability of the setting, else the neutral one."""
        return np.where(rng.random(batch) < settings[key], values, neutral)

    return Augmentation(
        matrices=matrices,
        shifts=rng.uniform(-1, 1, (batch, 3)) * settings["shift"],
        elastic=rng.normal(0, 1, (batch, 3, 5, 7, 5))
        * sometimes(np.full(batch, settings["elastic"]), 0, "p_elastic")[:, None, None, None, None],
        trims=rng.integers(0, settings["trim"] + 1, (batch, 3, 2)) * (rng.random((batch, 1, 1)) < 0.3),
        gain=np.exp(rng.normal(0, settings["gain"], batch)),
        offset=rng.normal(0, settings["offset"], batch),
        gamma=sometimes(np.exp(rng.normal(0, settings["gamma"], batch)), 1.0, "p_gamma"),
        noise=sometimes(rng.uniform(0, settings["noise"], batch), 0.0, "p_noise"),
        blur=sometimes(rng.uniform(0.4, 1.0, batch), 0.0, "p_blur"),
        coarse=sometimes(rng.uniform(1.2, 2.0, batch), 1.0, "p_coarse"),
        seed=int(rng.integers(2**31)),
    )


def apply(
    images: torch.Tensor, labels: torch.Tensor, drawn: Augmentation, size: tuple[int, ...], *, classes: int, fill: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Warp windows to patches of `size` and change their intensities.

    Parameters
    ----------
    images : torch.Tensor
        (B, C, K, J, I) float32, window.
    labels : torch.Tensor
        (B, K, J, I) int64.
    drawn : Augmentation
    size : tuple of int
        (K, J, I) of the patch.
    classes : int
        Background included.
    fill : float
        Value outside the image.

    Returns
    -------
    tuple of torch.Tensor
        (B, C, *size) float32 and (B, *size) int64.
    """
    grid = _grid(drawn, tuple(images.shape[2:]), size)
    warped = functional.grid_sample(images - fill, grid, align_corners=True) + fill
    shares = functional.one_hot(labels, classes).movedim(-1, 1).float()
    truth = functional.grid_sample(shares, grid, align_corners=True).argmax(1)
    for n in range(len(warped)):
        warped[n] = _intensities(warped[n], n, drawn)
        _trim(warped[n], truth[n], drawn.trims[n], fill)
    return warped, truth


def _rotation(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    return matrix


def _grid(drawn: Augmentation, window: tuple[int, ...], size: tuple[int, ...]) -> torch.Tensor:
    """Return the sampling grid (B, *size, 3) in (i, j, k) order and -1..1 of the window."""
    axes = [torch.arange(n, dtype=torch.float32) - (n - 1) / 2 for n in size]
    offsets = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    matrices = torch.from_numpy(drawn.matrices).float()
    places = (
        torch.einsum("bxy,kjiy->bkjix", matrices, offsets) + torch.from_numpy(drawn.shifts).float()[:, None, None, None]
    )
    if drawn.elastic.any():
        coarse = torch.from_numpy(drawn.elastic).float()
        places = places + functional.interpolate(coarse, size, mode="trilinear", align_corners=True).movedim(1, -1)
    half = torch.tensor([(n - 1) / 2 for n in window])
    return (places / half).flip(-1)


def _intensities(image: torch.Tensor, n: int, drawn: Augmentation) -> torch.Tensor:
    """Change the intensities of image `n` of the batch, (C, K, J, I)."""
    if drawn.coarse[n] > 1:
        small = [max(4, round(s / drawn.coarse[n])) for s in image.shape[1:]]
        shrunk = functional.interpolate(image[None], small, mode="trilinear")
        image = functional.interpolate(shrunk, image.shape[1:], mode="trilinear")[0]
    if drawn.blur[n] > 0:
        image = _smooth(image, float(drawn.blur[n]))
    if drawn.gamma[n] != 1:
        low, high = image.amin(), image.amax()
        image = ((image - low) / (high - low + 1e-6)) ** float(drawn.gamma[n]) * (high - low) + low
    image = image * float(drawn.gain[n]) + float(drawn.offset[n])
    if drawn.noise[n] > 0:
        generator = torch.Generator().manual_seed(drawn.seed + n)
        image = image + torch.randn(image.shape, generator=generator) * float(drawn.noise[n])
    return image


def _smooth(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """Smooth (C, K, J, I) by a Gaussian of `sigma` voxels."""
    reach = torch.arange(-2, 3, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (reach / sigma) ** 2)
    kernel = kernel / kernel.sum()
    result = image[:, None]
    for axis in range(3):
        shape, padding = [1, 1, 1, 1, 1], [0, 0, 0]
        shape[2 + axis], padding[axis] = 5, 2
        result = functional.conv3d(result, kernel.view(shape), padding=tuple(padding))
    return result[:, 0]


def _trim(image: torch.Tensor, truth: torch.Tensor, trims: NDArray[np.int64], fill: float) -> None:
    """Blank the outer voxels in place: outside a smaller field of view nothing is seen and nothing labelled."""
    for axis, (low, high) in enumerate(trims):
        for start, length in ((0, int(low)), (truth.shape[axis] - int(high), int(high))):
            if length:
                image.narrow(1 + axis, start, length).fill_(fill)
                truth.narrow(axis, start, length).zero_()
