from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from medheart_models.training.loss import dice_and_cross_entropy, segmentation_loss  # noqa: E402


def test_the_loss_is_that_of_numpy() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(2, 3, 4, 4, 4)), rng.integers(0, 3, (2, 4, 4, 4))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = np.eye(3)[labels].transpose(0, 4, 1, 2, 3)
    entropy = -np.log((shares * truth).sum(1)).mean()
    overlap, total = (shares * truth).sum((0, 2, 3, 4)), (shares + truth).sum((0, 2, 3, 4))
    expected = entropy - (2 * overlap / total)[1:].mean()
    got = dice_and_cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))
    assert float(got) == pytest.approx(expected, abs=1e-4)


def test_a_sure_and_right_answer_costs_minus_one() -> None:
    labels = torch.zeros((1, 4, 4, 4), dtype=torch.int64)
    labels[:, :2] = 1
    logits = torch.stack([(labels == n) * 40.0 for n in range(2)], 1)
    assert float(dice_and_cross_entropy(logits, labels)) == pytest.approx(-1, abs=1e-4)


def test_deep_outputs_count_half_each() -> None:
    labels = torch.randint(0, 3, (1, 8, 8, 8), generator=torch.Generator().manual_seed(0))
    outputs = [torch.randn(1, 3, n, n, n, generator=torch.Generator().manual_seed(n)) for n in (8, 4)]
    single = [
        float(dice_and_cross_entropy(outputs[0], labels)),
        float(dice_and_cross_entropy(outputs[1], labels[:, ::2, ::2, ::2])),
    ]
    assert float(segmentation_loss(outputs, labels)) == pytest.approx((single[0] + single[1] / 2) / 1.5, abs=1e-5)
