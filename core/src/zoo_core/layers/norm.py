"""Normalisation by name or class: every layer takes the number of channels first."""

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from zoo_core.errors import OptionError, did_you_mean

NormLayer = str | Callable[..., nn.Module]
"""A name of `get_norm_layer`, or a module class (or partial of one) that takes the number of channels."""


class GroupNorm(nn.GroupNorm):
    """Group normalisation (https://arxiv.org/abs/1803.08494), channels first among the arguments."""

    def __init__(self, num_channels: int, num_groups: int = 32, eps: float = 1e-5) -> None:
        super().__init__(num_groups, num_channels, eps=eps)


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation (https://arxiv.org/abs/1607.06450) of each pixel over its channels."""

    def __init__(self, num_channels: int, eps: float = 1e-6) -> None:
        super().__init__(num_channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class CountingBatchNorm2d(nn.BatchNorm2d):
    """Base of batch norms that spell out their forward, since TorchScript has no ``super().forward(x)``."""

    def count_batch(self) -> float:
        """Count a batch that the running statistics take in, and return its weight in them."""
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # a cumulative average
                momentum = 1.0 / float(self.num_batches_tracked)
        return momentum


def _inplace_abn() -> Callable[..., nn.Module]:
    from zoo_core.layers.inplace_abn import InplaceAbn

    return partial(InplaceAbn, apply_act=False)


_NORM_LAYERS: dict[str, Callable[[], Callable[..., nn.Module]]] = {
    "batchnorm": lambda: nn.BatchNorm2d,  # https://arxiv.org/abs/1502.03167
    "batchnorm2d": lambda: nn.BatchNorm2d,
    "groupnorm": lambda: GroupNorm,
    "groupnorm1": lambda: partial(GroupNorm, num_groups=1),
    "layernorm2d": lambda: LayerNorm2d,
    "iabn": _inplace_abn,
    "syncbatchnorm": lambda: nn.SyncBatchNorm,
    "identity": lambda: nn.Identity,
}


def get_norm_layer(norm: NormLayer) -> Callable[..., nn.Module]:
    """What builds a normalisation, called with the number of channels; names ignore case and underscores.

    Raises:
        OptionError: for a name that is no normalisation, with the nearest one.
    """
    if not isinstance(norm, str):
        return norm
    find = _NORM_LAYERS.get(norm.lower().replace("_", ""))
    if find is None:
        raise OptionError(f"unknown normalisation {norm!r}{did_you_mean(norm, _NORM_LAYERS)}")
    return find()
