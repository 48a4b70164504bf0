"""Sliding-window inference: a network of one patch size on an image of any size.

Overlapping tiles are averaged with a Gaussian that favours their centres, as nnU-Net does. The
Gaussian is the product of one vector per axis and the tiles form a grid, so the sum of all weights
is a product of three vectors, too: besides the scores nothing of the image's size is held.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from medheart.errors import Cancelled, ModelError
from medheart_runtime.engine import Network

__all__ = ["gaussian_weights", "sliding_window", "tile_starts"]


def gaussian_weights(size: int) -> NDArray[np.float32]:
    """Return the weights of one tile along one axis.

    Parameters
    ----------
    size : int
        Voxels of the patch along the axis.

    Returns
    -------
    numpy.ndarray
        (size,) float32 in (0, 1]: a Gaussian about the centre with a standard deviation of an eighth
        of the patch; never 0, so that every voxel counts.

    References
    ----------
    Isensee F. et al. nnU-Net. Nat Methods 2021;18:203-211. doi:10.1038/s41592-020-01008-z
    """
    impulse = np.zeros(size)
    impulse[size // 2] = 1.0
    weights = gaussian_filter1d(impulse, size / 8, mode="constant")
    weights = np.maximum(weights, weights[weights > 0].min()) / weights.max()
    return np.asarray(weights, np.float32)


def tile_starts(size: int, patch: int, overlap: float) -> list[int]:
    """Return where tiles begin along one axis so that they cover it evenly.

    Parameters
    ----------
    size, patch : int
        Voxels of the image and of the tile; `size >= patch`.
    overlap : float
        Least fraction of a tile that its neighbour shares, in [0, 1).
    """
    step = max(1, int(patch * (1 - overlap)))
    count = -(-(size - patch) // step) + 1
    return [round(position) for position in np.linspace(0, size - patch, count)]


def sliding_window(
    network: Network,
    image: NDArray[np.float32],
    *,
    patch: Sequence[int],
    overlap: float = 0.5,
    pad_value: float = 0.0,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> NDArray[np.float32]:
    """Run a network over an image, tile by tile.

    Parameters
    ----------
    network : Network
        Takes (1, C, *patch), gives (1, L, *patch).
    image : numpy.ndarray
        (C, K, J, I) float32, prepared as in training.
    patch : sequence of int
        (K, J, I) voxels of a tile. A smaller image is padded on both sides.
    overlap : float
        Least fraction that neighbouring tiles share, in [0, 1).
    pad_value : float
        Value outside the image.
    progress : callable, optional
        Called with (tiles done, tiles in all), first with 0 done.
    cancelled : callable, optional
        Asked before every tile.

    Returns
    -------
    numpy.ndarray
        (L, K, J, I) float32: weighted mean of the tiles' scores.

    Raises
    ------
    Cancelled
        If `cancelled()` was true.
    ModelError
        If an argument or the network's output has a wrong shape, or a score is not finite.
    """
    size = _check(image, patch, overlap)
    padded, inner = _pad(image, patch, pad_value)
    axes = [tile_starts(n, p, overlap) for n, p in zip(padded.shape[1:], size, strict=True)]
    weights = [gaussian_weights(p) for p in size]
    tile_weight = _outer(weights)
    starts = list(product(*axes))
    scores: NDArray[np.float32] | None = None
    for done, start in enumerate(starts):
        _report(progress, cancelled, done, len(starts))
        where = (slice(None), *(slice(s, s + p) for s, p in zip(start, size, strict=True)))
        tile = _run_tile(network, padded[where])
        if scores is None:
            scores = np.zeros((tile.shape[0], *padded.shape[1:]), np.float32)
        tile *= tile_weight
        scores[where] += tile
    if progress is not None:
        progress(len(starts), len(starts))
    assert scores is not None
    for axis, (begins, weight) in enumerate(zip(axes, weights, strict=True)):
        total = _axis_total(padded.shape[axis + 1], begins, weight)
        scores /= total.reshape([-1 if n == axis else 1 for n in range(3)])
    return scores[(slice(None), *inner)]


def _check(image: NDArray[np.float32], patch: Sequence[int], overlap: float) -> tuple[int, ...]:
    if image.dtype != np.float32 or image.ndim != 4 or min(image.shape) < 1:
        raise ModelError(f"image must be float32 (C, K, J, I), got {image.dtype} of shape {image.shape}")
    if len(patch) != 3 or min(patch) < 1:
        raise ModelError(f"patch must be three positive sizes (K, J, I), got {list(patch)}")
    if not 0 <= overlap < 1:
        raise ModelError(f"overlap must be in [0, 1), got {overlap}")
    return tuple(int(p) for p in patch)


def _pad(
    image: NDArray[np.float32], patch: Sequence[int], value: float
) -> tuple[NDArray[np.float32], tuple[slice, ...]]:
    """Return the image padded to at least the patch, and where the image lies in it."""
    missing = [max(0, p - n) for p, n in zip(patch, image.shape[1:], strict=True)]
    before = [m // 2 for m in missing]
    inner = tuple(slice(b, b + n) for b, n in zip(before, image.shape[1:], strict=True))
    if not any(missing):
        return image, inner
    widths = [(0, 0), *((b, m - b) for b, m in zip(before, missing, strict=True))]
    return np.pad(image, widths, constant_values=value), inner


def _outer(vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    k, j, i = vectors
    weights: NDArray[np.float32] = k[:, None, None] * j[None, :, None] * i[None, None, :]
    return weights


def _axis_total(size: int, starts: Sequence[int], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the summed weights of all tiles along one axis, (size,)."""
    total = np.zeros(size, np.float32)
    for start in starts:
        total[start : start + weights.size] += weights
    return total


def _report(
    progress: Callable[[int, int], None] | None, cancelled: Callable[[], bool] | None, done: int, total: int
) -> None:
    if progress is not None:
        progress(done, total)
    if cancelled is not None and cancelled():
        raise Cancelled(f"cancelled after {done} of {total} tiles")


def _run_tile(network: Network, tile: NDArray[np.float32]) -> NDArray[np.float32]:
    output = network.run(tile[None])
    if output.ndim != 5 or output.shape[0] != 1 or output.shape[2:] != tile.shape[1:]:
        raise ModelError(f"the network gave shape {output.shape} for a tile of shape {tile[None].shape}")
    if not np.isfinite(output).all():
        raise ModelError("the network gave scores that are not finite")
    tile_scores: NDArray[np.float32] = output[0]
    return tile_scores
