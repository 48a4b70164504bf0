"""Tiles against a brute-force reference."""

from __future__ import annotations

import tracemalloc
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from medheart.errors import Cancelled, ModelError
from medheart_runtime import Network, load_network, sliding_window
from medheart_runtime.sliding import gaussian_weights, tile_starts

Array = NDArray[Any]
Shape = tuple[int, int, int]


class Affine:
    """A network whose score depends on the voxel only, so that any right blending gives it back."""

    device = "numpy"

    def run(self, batch: Array) -> Array:
        return np.concatenate([2 * batch[:, :1] + 1, batch.sum(axis=1, keepdims=True)], axis=1)


def brute_force(network: Network, image: Array, patch: tuple[int, ...], overlap: float) -> Array:
    """Blend with a full weight map, accumulated in float64."""
    missing = [max(0, p - n) for p, n in zip(patch, image.shape[1:], strict=True)]
    padded = np.pad(image, [(0, 0), *((m // 2, m - m // 2) for m in missing)])
    weight = np.einsum("k,j,i->kji", *(gaussian_weights(p).astype(np.float64) for p in patch))
    total: Array = np.zeros((2, *padded.shape[1:]))
    count: Array = np.zeros(padded.shape[1:])
    for start in product(*(tile_starts(n, p, overlap) for n, p in zip(padded.shape[1:], patch, strict=True))):
        where = tuple(slice(s, s + p) for s, p in zip(start, patch, strict=True))
        output = network.run(padded[(slice(None), *where)][None])[0].astype(np.float64)
        full = np.zeros((output.shape[0], *padded.shape[1:]))
        full[(slice(None), *where)] = output * weight
        total, count[where] = total + full, count[where] + weight
    cut = tuple(slice(m // 2, m // 2 + n) for m, n in zip(missing, image.shape[1:], strict=True))
    return (total / count)[(slice(None), *cut)]


@pytest.mark.parametrize("shape", [(9, 11, 13), (4, 20, 5), (8, 8, 8), (3, 3, 3)])
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.75])
def test_agrees_with_brute_force(convolution: Path, shape: tuple[int, int, int], overlap: float) -> None:
    network = load_network(convolution, device="cpu")
    image = np.random.default_rng(3).normal(size=(2, *shape)).astype(np.float32)
    patch = (6, 8, 7)
    scores = sliding_window(network, image, patch=patch, overlap=overlap)
    assert scores.shape == (2, *shape)
    np.testing.assert_allclose(scores, brute_force(network, image, patch, overlap), atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 17)] * 3),
    patch=st.tuples(*[st.integers(1, 9)] * 3),
    overlap=st.floats(0, 0.8),
)
def test_every_voxel_is_scored_once_whatever_the_sizes(shape: Shape, patch: Shape, overlap: float) -> None:
    image = np.random.default_rng(4).normal(size=(2, *shape)).astype(np.float32)
    scores = sliding_window(Affine(), image, patch=patch, overlap=overlap)
    np.testing.assert_allclose(scores, Affine().run(image[None])[0], rtol=1e-4, atol=1e-4)


@given(size=st.integers(1, 300), patch=st.integers(1, 64), overlap=st.floats(0, 0.9))
def test_tiles_cover_the_axis_and_share_enough(size: int, patch: int, overlap: float) -> None:
    size = max(size, patch)
    starts = tile_starts(size, patch, overlap)
    assert starts[0] == 0
    assert starts[-1] == size - patch
    steps = np.diff(starts)
    assert (steps >= 1).all()
    assert (steps <= max(1, int(patch * (1 - overlap)))).all()


def test_weights_are_those_of_nnunet() -> None:
    patch = (16, 24, 32)
    impulse = np.zeros(patch)
    impulse[8, 12, 16] = 1
    reference = gaussian_filter(impulse, [p / 8 for p in patch], mode="constant")
    ours = np.einsum("k,j,i->kji", *(gaussian_weights(p) for p in patch))
    inside = reference > 0
    np.testing.assert_allclose(ours[inside], (reference / reference.max())[inside], rtol=1e-3)
    assert ours.min() > 0


def test_progress_counts_every_tile() -> None:
    seen: list[tuple[int, int]] = []
    sliding_window(
        Affine(), np.zeros((1, 8, 8, 8), np.float32), patch=(4, 4, 8), overlap=0, progress=lambda *n: seen.append(n)
    )
    assert seen == [(n, 4) for n in range(5)]


def test_cancel_takes_effect_at_the_next_tile() -> None:
    seen: list[int] = []
    with pytest.raises(Cancelled, match="after 2 of 4 tiles"):
        sliding_window(
            Affine(),
            np.zeros((1, 8, 8, 8), np.float32),
            patch=(4, 4, 8),
            overlap=0,
            progress=lambda done, _: seen.append(done),
            cancelled=lambda: seen[-1] == 2,
        )
    assert seen == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.zeros((1, 4, 4, 4))}, "float64"),
        ({"image": np.zeros((4, 4, 4), np.float32)}, "image must be"),
        ({"patch": (4, 4)}, "patch"),
        ({"patch": (0, 4, 4)}, "patch"),
        ({"overlap": 1.0}, "overlap"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "image": np.zeros((1, 4, 4, 4), np.float32),
        "patch": (4, 4, 4),
        "overlap": 0.5,
        **change,
    }
    with pytest.raises(ModelError, match=message):
        sliding_window(Affine(), arguments.pop("image"), **arguments)


def test_scores_that_are_no_numbers_are_refused() -> None:
    class Broken(Affine):
        def run(self, batch: Array) -> Array:
            return super().run(batch) * np.float32(np.nan)

    with pytest.raises(ModelError, match="not finite"):
        sliding_window(Broken(), np.zeros((1, 4, 4, 4), np.float32), patch=(4, 4, 4))


def test_memory_is_the_scores_and_a_few_tiles() -> None:
    image = np.zeros((1, 64, 64, 64), np.float32)
    tracemalloc.start()
    scores = sliding_window(Affine(), image, patch=(16, 16, 16))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < scores.nbytes + 20 * 16**3 * 4 * 2
