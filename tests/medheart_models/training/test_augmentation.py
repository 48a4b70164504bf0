from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from medheart_models.training.augmentation import apply, sample  # noqa: E402
from medheart_models.training.train import load_recipe  # noqa: E402

SETTINGS = load_recipe("hippocampus")["augmentation"]
NOTHING = {
    **dict.fromkeys(SETTINGS, 0.0),
    "mirror": [0.0, 0.0, 0.0],
    "trim": 0,
}


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    images = torch.randn((2, 1, 20, 22, 24), generator=generator)
    labels = torch.zeros((2, 20, 22, 24), dtype=torch.int64)
    labels[:, 6:12, 8:14, 9:15] = 1
    labels[:, 12:15, 8:14, 9:15] = 2
    return images, labels


def test_without_strength_the_middle_of_the_window_comes_back() -> None:
    images, labels = batch()
    drawn = sample(2, np.random.default_rng(0), NOTHING)
    warped, truth = apply(images, labels, drawn, (16, 18, 20), classes=3, fill=0.0)
    assert torch.allclose(warped, images[:, :, 2:-2, 2:-2, 2:-2], atol=1e-4)
    assert torch.equal(truth, labels[:, 2:-2, 2:-2, 2:-2])


def test_image_and_labels_move_together() -> None:
    _, labels = batch()
    drawn = replace(sample(2, np.random.default_rng(1), {**SETTINGS, "gain": 0, "offset": 0, "trim": 0}))
    quiet = replace(drawn, gamma=np.ones(2), noise=np.zeros(2), blur=np.zeros(2), coarse=np.ones(2))
    warped, truth = apply((labels == 1).float()[:, None], labels, quiet, (20, 22, 24), classes=3, fill=0.0)
    assert (((warped[:, 0] > 0.5) == (truth == 1)).float().mean()) > 0.99


def test_a_mirror_reverses_one_axis() -> None:
    images, labels = batch()
    drawn = sample(2, np.random.default_rng(0), {**NOTHING, "mirror": [0.0, 0.0, 1.0]})
    warped, truth = apply(images, labels, drawn, (20, 22, 24), classes=3, fill=0.0)
    assert torch.allclose(warped, images.flip(-1), atol=1e-4)
    assert torch.equal(truth, labels.flip(-1))


def test_the_hippocampus_is_mirrored_from_left_to_right_only() -> None:
    assert SETTINGS["mirror"][:2] == [0.0, 0.0]


def test_the_same_seed_gives_the_same_patches() -> None:
    results = [
        apply(*batch(), sample(2, np.random.default_rng(5), SETTINGS), (16, 16, 16), classes=3, fill=0.0)
        for _ in range(2)
    ]
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_trimmed_margins_hold_nothing() -> None:
    images, labels = batch()
    trims = np.array([[[2, 3], [0, 0], [0, 12]]] * 2)
    drawn = replace(sample(2, np.random.default_rng(0), NOTHING), trims=trims)
    warped, truth = apply(images + 5, labels, drawn, (20, 22, 24), classes=3, fill=-1.0)
    assert (warped[:, :, :2] == -1).all()
    assert (warped[:, :, -3:] == -1).all()
    assert (truth[..., -12:] == 0).all()
    assert (warped[:, :, 2:-3, :, :-12] > -1).all()
