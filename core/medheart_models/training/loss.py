"""Soft Dice plus cross-entropy, with deep supervision."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

__all__ = ["dice_and_cross_entropy", "segmentation_loss"]


def dice_and_cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return cross-entropy minus the mean soft Dice of the foreground classes over the batch.

    Parameters
    ----------
    logits : torch.Tensor
        (B, L, K, J, I).
    labels : torch.Tensor
        (B, K, J, I) int64.

    References
    ----------
    Isensee F et al. nnU-Net. Nat Methods 2021;18:203-211. doi:10.1038/s41592-020-01008-z
    """
    logits = logits.float()
    shares = torch.softmax(logits, 1)
    truth = functional.one_hot(labels, logits.shape[1]).movedim(-1, 1).to(shares.dtype)
    axes = (0, 2, 3, 4)
    both = (shares * truth).sum(axes)[1:]
    total = (shares.sum(axes) + truth.sum(axes))[1:]
    soft_dice = ((2 * both + 1e-5) / (total + 1e-5)).mean()
    return functional.cross_entropy(logits, labels) - soft_dice


def segmentation_loss(outputs: torch.Tensor | Sequence[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
    """Return the loss over all outputs of a network; each smaller one weighs half of the one before."""
    outputs = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
    weights = [0.5**n for n in range(len(outputs))]
    total = outputs[0].new_zeros((), dtype=torch.float32)
    for weight, output in zip(weights, outputs, strict=True):
        step = labels.shape[-1] // output.shape[-1]
        total = total + weight * dice_and_cross_entropy(output, labels[:, ::step, ::step, ::step])
    return total / sum(weights)
