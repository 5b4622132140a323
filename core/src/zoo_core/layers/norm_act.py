"""Norms that end in their activation: one module under one name, with the state dict of the plain norm.

A network that writes ``conv, bn`` for "convolution, norm, activation" keeps the published parameter names, and a
fused implementation (in-place activated batch norm, https://arxiv.org/abs/1712.02616) can take the module's place.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that PyTorch's own documentation uses

from zoo_core.errors import OptionError, did_you_mean
from zoo_core.layers.activation import ActLayer, create_act
from zoo_core.layers.norm import CountingBatchNorm2d, GroupNorm, LayerNorm2d, NormLayer

DropLayer = Callable[[], nn.Module] | None
"""What builds the dropout between norm and activation (a class, a partial); None for none."""


class BatchNormAct2d(CountingBatchNorm2d):
    """Batch norm (https://arxiv.org/abs/1502.03167), then dropout of activations if any, then the activation.

    (batch, num_features, h, w) to the same shape. The activation works in place by default, which is sound because
    the norm's backward pass needs its input and not its output. In every state and mode the norm is `nn.BatchNorm2d`.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        apply_act: bool = True,
        act_layer: ActLayer = "relu",
        inplace: bool = True,
        drop_layer: DropLayer = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats)
        self.drop = drop_layer() if drop_layer is not None else nn.Identity()
        self.act = create_act(act_layer, inplace=inplace) if apply_act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        if isinstance(x, Tensor):  # torch.fx passes a proxy, whose axes nobody knows
            self._check_input_dim(x)
        momentum = self.count_batch()
        running = not self.training or self.track_running_stats
        mean, var = (self.running_mean, self.running_var) if running else (None, None)
        of_batch = self.training or self.running_mean is None
        x = F.batch_norm(x, mean, var, self.weight, self.bias, of_batch, momentum, self.eps)
        out: Tensor = self.act(self.drop(x))
        return out


class GroupNormAct(GroupNorm):
    """Group norm (https://arxiv.org/abs/1803.08494) and activation: (batch, num_features, h, w) to the same shape."""

    def __init__(
        self,
        num_features: int,
        num_groups: int = 32,
        eps: float = 1e-5,
        *,
        apply_act: bool = True,
        act_layer: ActLayer = "relu",
        inplace: bool = True,
        drop_layer: DropLayer = None,
    ) -> None:
        super().__init__(num_features, num_groups, eps=eps)
        self.drop = drop_layer() if drop_layer is not None else nn.Identity()
        self.act = create_act(act_layer, inplace=inplace) if apply_act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        x = F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
        out: Tensor = self.act(self.drop(x))
        return out


class LayerNormAct2d(LayerNorm2d):
    """Layer norm over the channels of each pixel (https://arxiv.org/abs/1607.06450), and activation."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-6,
        *,
        apply_act: bool = True,
        act_layer: ActLayer = "relu",
        inplace: bool = True,
        drop_layer: DropLayer = None,
    ) -> None:
        super().__init__(num_features, eps=eps)
        self.drop = drop_layer() if drop_layer is not None else nn.Identity()
        self.act = create_act(act_layer, inplace=inplace) if apply_act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        out: Tensor = self.act(self.drop(x.permute(0, 3, 1, 2)))
        return out


def _inplace_abn(num_features: int, *, inplace: bool = True, **options: Any) -> nn.Module:
    from zoo_core.layers.inplace_abn import InplaceAbn  # imported when asked for: few networks want it

    return InplaceAbn(num_features, **options)


_BY_NAME: dict[str, Callable[..., nn.Module]] = {
    "batchnorm": BatchNormAct2d,
    "batchnorm2d": BatchNormAct2d,
    "groupnorm": GroupNormAct,
    "groupnorm1": partial(GroupNormAct, num_groups=1),
    "layernorm2d": LayerNormAct2d,
    "iabn": _inplace_abn,
}
# A plain class means its activated form.
_BY_CLASS: dict[Any, Callable[..., nn.Module]] = {
    nn.BatchNorm2d: BatchNormAct2d,
    GroupNorm: GroupNormAct,
    LayerNorm2d: LayerNormAct2d,
}


def get_norm_act_layer(norm_layer: NormLayer, act_layer: ActLayer = "relu") -> Callable[..., nn.Module]:
    """What builds a norm that ends in its activation.

    It is called with the number of channels, and takes ``apply_act=True``, ``inplace=True`` and ``drop_layer=None``.

    Args:
        norm_layer: a name, a class (``nn.BatchNorm2d`` means `BatchNormAct2d`), a partial of one, or any callable of
            the above signature that also takes `act_layer`.
        act_layer: the activation, as `zoo_core.layers.activation.get_act_layer` takes it; None for none.

    Raises:
        OptionError: for a name that is no norm, or a plain norm class that has no activated form.
    """
    if isinstance(norm_layer, str):
        name = norm_layer.lower().replace("_", "")
        if name not in _BY_NAME:
            raise OptionError(f"unknown norm layer {norm_layer!r}{did_you_mean(name, _BY_NAME)}")
        return partial(_BY_NAME[name], act_layer=act_layer)
    if isinstance(norm_layer, partial):
        activated = get_norm_act_layer(norm_layer.func, act_layer)
        return partial(activated, *norm_layer.args, **norm_layer.keywords)
    if norm_layer in _BY_CLASS:
        return partial(_BY_CLASS[norm_layer], act_layer=act_layer)
    if isinstance(norm_layer, type) and norm_layer.__module__.startswith(torch.__name__ + "."):
        raise OptionError(
            f"norm layer {norm_layer.__name__} has no form with an activation; "
            f"name one of {', '.join(_BY_NAME)}, or give a class that takes apply_act and act_layer"
        )
    return partial(norm_layer, act_layer=act_layer)
