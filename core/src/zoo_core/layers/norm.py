"""Normalisation by name or class, plain or ending in its activation.

A network that writes ``conv, bn`` for "convolution, norm, activation" keeps the published parameter
names, and an in-place activated batch norm can take the module's place.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from zoo_core.errors import OptionError, look_up
from zoo_core.layers.activation import ActLayer, create_act

NormLayer = str | Callable[..., nn.Module]
"""A name of `get_norm_layer`, or a class (or partial of one) that takes the number of channels."""
DropLayer = Callable[[], nn.Module] | None
"""A class (or partial) of the dropout between norm and activation; None for none."""


class GroupNorm(nn.GroupNorm):
    """Group normalisation (https://arxiv.org/abs/1803.08494), channels as first argument."""

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


class ActivatedBatchNorm(nn.BatchNorm2d):
    """Base of the batch norms that end in an activation, with `nn.BatchNorm2d`'s statistics."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        if isinstance(x, Tensor):  # torch.fx passes a proxy, whose axes nobody knows
            self._check_input_dim(x)
        momentum = self.count_batch()
        running = not self.training or self.track_running_stats
        mean, var = (self.running_mean, self.running_var) if running else (None, None)
        return self.normalise(x, mean, var, self.training or self.running_mean is None, momentum)

    def normalise(self, x: Tensor, mean: Tensor | None, var: Tensor | None, of_batch: bool, momentum: float) -> Tensor:
        """Normalise and activate: (batch, channels, height, width) to the same.

        Args:
            x: the maps.
            mean: running means, where there are any.
            var: running variances.
            of_batch: normalise by the batch's statistics, and fold them into the running ones.
            momentum: weight of the batch's statistics in the running ones.
        """
        raise NotImplementedError

    def count_batch(self) -> float:
        """Count a batch for the running statistics, and return its weight in them."""
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # a cumulative average
                momentum = 1.0 / float(self.num_batches_tracked)
        return momentum


class BatchNormAct2d(ActivatedBatchNorm):
    """Batch norm (https://arxiv.org/abs/1502.03167), dropout if any, and the activation.

    (batch, num_features, h, w) to the same shape. The activation works in place by default, which
    is sound because the norm's backward pass needs its input and not its output. `act` are the
    options of `create_drop_and_act`.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        **act: Any,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats)
        self.drop, self.act = create_drop_and_act(**act)

    def normalise(self, x: Tensor, mean: Tensor | None, var: Tensor | None, of_batch: bool, momentum: float) -> Tensor:
        """See `ActivatedBatchNorm.normalise`."""
        x = F.batch_norm(x, mean, var, self.weight, self.bias, of_batch, momentum, self.eps)
        out: Tensor = self.act(self.drop(x))
        return out


class GroupNormAct(GroupNorm):
    """Group norm and activation: (batch, num_features, h, w) to the same shape."""

    def __init__(self, num_features: int, num_groups: int = 32, eps: float = 1e-5, **act: Any) -> None:
        super().__init__(num_features, num_groups, eps)
        self.drop, self.act = create_drop_and_act(**act)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        x = F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
        out: Tensor = self.act(self.drop(x))
        return out


class LayerNormAct2d(LayerNorm2d):
    """Layer norm over the channels of each pixel, and activation."""

    def __init__(self, num_features: int, eps: float = 1e-6, **act: Any) -> None:
        super().__init__(num_features, eps)
        self.drop, self.act = create_drop_and_act(**act)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        out: Tensor = self.act(self.drop(x.permute(0, 3, 1, 2)))
        return out


def create_drop_and_act(
    *, apply_act: bool = True, act_layer: ActLayer = "relu", inplace: bool = True, drop_layer: DropLayer = None
) -> tuple[nn.Module, nn.Module]:
    """Make the dropout and the activation after a norm, each the identity where there is none."""
    drop = nn.Identity() if drop_layer is None else drop_layer()
    return drop, create_act(act_layer if apply_act else None, inplace=inplace)


def _inplace_abn(num_features: int, *, apply_act: bool = False, inplace: bool = True, **options: Any) -> nn.Module:
    from zoo_core.layers.inplace_abn import InplaceAbn  # imported on demand: few networks use it

    return InplaceAbn(num_features, apply_act=apply_act, **options)


_NORM_LAYERS: dict[str, Callable[..., nn.Module]] = {
    "batchnorm": nn.BatchNorm2d,  # https://arxiv.org/abs/1502.03167
    "batchnorm2d": nn.BatchNorm2d,
    "groupnorm": GroupNorm,
    "groupnorm1": partial(GroupNorm, num_groups=1),
    "layernorm2d": LayerNorm2d,
    "iabn": _inplace_abn,
    "syncbatchnorm": nn.SyncBatchNorm,
    "identity": nn.Identity,
}
_ACTIVATED: dict[Any, Callable[..., nn.Module]] = {
    nn.BatchNorm2d: BatchNormAct2d,
    GroupNorm: GroupNormAct,
    LayerNorm2d: LayerNormAct2d,
    _inplace_abn: partial(_inplace_abn, apply_act=True),
}
"""Plain norm to the form that ends in its activation."""


def get_norm_layer(norm: NormLayer) -> Callable[..., nn.Module]:
    """Return a norm's class, called with the number of channels.

    Names ignore case and underscores.

    Raises:
        OptionError: for an unknown name, with the nearest one.
    """
    return look_up("normalisation", norm, _NORM_LAYERS) if isinstance(norm, str) else norm


def get_norm_act_layer(norm_layer: NormLayer, act_layer: ActLayer = "relu") -> Callable[..., nn.Module]:
    """Return the class (or partial) of a norm that ends in its activation.

    It is called with the number of channels, and takes ``apply_act=True``, ``inplace=True`` and
    ``drop_layer=None``.

    Args:
        norm_layer: a name, a class (``nn.BatchNorm2d`` means `BatchNormAct2d`), a partial of one,
            or any callable of the above signature that also takes `act_layer`.
        act_layer: the activation, as `get_act_layer` takes it; None for none.

    Raises:
        OptionError: for an unknown name, or a plain norm class that has no activated form.
    """
    norm = get_norm_layer(norm_layer)
    if isinstance(norm, partial):
        return partial(get_norm_act_layer(norm.func, act_layer), *norm.args, **norm.keywords)
    if norm in _ACTIVATED:
        return partial(_ACTIVATED[norm], act_layer=act_layer)
    if isinstance(norm, type) and norm.__module__.startswith(torch.__name__ + "."):
        names = ", ".join(name for name in _NORM_LAYERS if name not in ("syncbatchnorm", "identity"))
        raise OptionError(
            f"norm layer {norm.__name__} has no form with an activation; "
            f"name one of {names}, or give a class that takes apply_act and act_layer"
        )
    return partial(norm, act_layer=act_layer)
