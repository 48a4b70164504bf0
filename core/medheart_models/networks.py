"""Networks by family, built from a task's `network` settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from medheart.errors import ModelError

__all__ = ["build_network", "parameter_count"]


def build_network(settings: dict[str, Any]) -> nn.Module:
    """Build a network.

    Parameters
    ----------
    settings : dict
        `family` (`unet-nnunet`, `vnet`), `input_channels`, `classes`, `features`, and what the
        family's builder reads.

    Returns
    -------
    torch.nn.Module
        Maps (B, C, K, J, I) to logits (B, L, K, J, I); in training mode, with `deep_supervision`, to a
        list of them, each half the size of the one before. Sizes must be multiples of
        the product of its strides.

    Raises
    ------
    ModelError
        If the family is unknown.
    """
    try:
        builder = _BUILDERS[settings["family"]]
    except KeyError:
        raise ModelError(f"network family must be one of {sorted(_BUILDERS)}, got {settings.get('family')!r}") from None
    return builder(settings)


def parameter_count(network: nn.Module) -> int:
    """Return the number of trained values."""
    return sum(parameter.numel() for parameter in network.parameters())


def _plain_conv_unet(settings: dict[str, Any]) -> nn.Module:
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    features = settings["features"]
    stages = len(features)

    class DeeplySupervisedUNet(PlainConvUNet):  # type: ignore[misc]
        """PlainConvUNet that returns its auxiliary outputs in training mode only."""

        def train(self, mode: bool = True) -> nn.Module:
            """Switch the auxiliary outputs with the mode."""
            self.decoder.deep_supervision = mode and settings["deep_supervision"]
            return super().train(mode)

    return DeeplySupervisedUNet(
        input_channels=settings["input_channels"],
        n_stages=stages,
        features_per_stage=features,
        conv_op=nn.Conv3d,
        kernel_sizes=3,
        strides=[1] + [2] * (stages - 1),
        n_conv_per_stage=settings["convolutions"],
        num_classes=settings["classes"],
        n_conv_per_stage_decoder=settings["convolutions"],
        conv_bias=True,
        norm_op=nn.InstanceNorm3d,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
        deep_supervision=settings["deep_supervision"],
    )


def _vnet(settings: dict[str, Any]) -> nn.Module:
    from monai.networks.nets import vnet

    class SlimVNet(nn.Module):  # type: ignore[misc]
        """V-Net of MONAI's transitions with fewer channels than its own `VNet`, which has 45 million parameters.

        The last layer is a plain convolution: V-Net's own normalises the scores over the batch, which
        is unsteady where hardly any voxel belongs to the target.

        References
        ----------
        Milletari F, Navab N, Ahmadi SA. V-Net. 3DV 2016:565-571. doi:10.1109/3DV.2016.79
        """

        def __init__(self, channels: int, features: list[int], down: list[int], up: list[int], classes: int) -> None:
            super().__init__()
            act = ("elu", {"inplace": True})
            self.head = vnet.InputTransition(3, channels, features[0], act)
            self.down = nn.ModuleList(
                vnet.DownTransition(3, width, count, act) for width, count in zip(features[:-1], down, strict=True)
            )
            self.up = nn.ModuleList()
            below = features[-1]
            for width, count in zip(reversed(features[:-1]), up, strict=True):
                self.up.append(vnet.UpTransition(3, below, 2 * width, count, act, dropout_prob=(None, 0)))
                below = 2 * width
            self.tail = nn.Conv3d(below, classes, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Map (B, C, K, J, I) to logits (B, L, K, J, I)."""
            passed = [self.head(x)]
            for layer in self.down:
                passed.append(layer(passed[-1]))
            result = passed.pop()
            for layer in self.up:
                result = layer(result, passed.pop())
            return self.tail(result)

    return SlimVNet(
        settings["input_channels"], settings["features"], settings["down"], settings["up"], settings["classes"]
    )


_BUILDERS: dict[str, Callable[[dict[str, Any]], nn.Module]] = {
    "unet-nnunet": _plain_conv_unet,
    "vnet": _vnet,
}
