"""The head of a network: global pooling, dropout and a linear classifier."""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from zoo_core.errors import OptionError, did_you_mean
from zoo_core.layers.drop import check_rate


class AdaptiveAvgMaxPool2d(nn.Module):
    """The mean of global average and global max pooling."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to (batch, channels, 1, 1)."""
        return 0.5 * (F.adaptive_avg_pool2d(x, 1) + F.adaptive_max_pool2d(x, 1))


class AdaptiveCatAvgMaxPool2d(nn.Module):
    """Global average and global max pooling, concatenated."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to (batch, 2 * channels, 1, 1)."""
        return torch.cat((F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1)), dim=1)


_POOLS: dict[str, Callable[[], nn.Module]] = {
    "avg": lambda: nn.AdaptiveAvgPool2d(1),
    "max": lambda: nn.AdaptiveMaxPool2d(1),
    "avgmax": AdaptiveAvgMaxPool2d,
    "catavgmax": AdaptiveCatAvgMaxPool2d,
    "none": nn.Identity,
    "": nn.Identity,
}


class SelectAdaptivePool2d(nn.Module):
    """Global pooling by name.

    Args:
        pool_type: "avg", "max", "avgmax" (their mean), "catavgmax" (both, twice the channels), or
            "" or "none" (no pooling, and then no flattening either).

    Raises:
        OptionError: for another name, with the nearest one.
    """

    def __init__(self, pool_type: str = "avg") -> None:
        super().__init__()
        if pool_type not in _POOLS:
            raise OptionError(f"unknown global_pool {pool_type!r}{did_you_mean(pool_type, _POOLS)}")
        self.pool_type = "" if pool_type == "none" else pool_type
        self.pool = _POOLS[pool_type]()
        self.flatten = nn.Flatten(1) if self.pool_type else nn.Identity()

    def is_identity(self) -> bool:
        """Tell whether it pools nothing."""
        return self.pool_type == ""

    def feat_mult(self) -> int:
        """Return how many channels come out per channel that goes in."""
        return 2 if self.pool_type == "catavgmax" else 1

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to (batch, channels * feat_mult())."""
        return self.flatten(self.pool(x))

    def extra_repr(self) -> str:
        """Return the kind."""
        return f"pool_type={self.pool_type!r}"


class TokenPool(nn.Module):
    """Global pooling of tokens by name: (batch, length, channels) to (batch, channels).

    Args:
        pool_type: "token" (the first, which is the class token), "avg", "max" or "avgmax" (their
            mean) of the tokens after the prefix, or "" or "none" (no pooling).
        num_prefix_tokens: how many tokens precede those of the pixels.

    Raises:
        OptionError: for another name, with the nearest one, or "token" without a prefix.
    """

    KINDS = ("token", "avg", "max", "avgmax", "none", "")

    def __init__(self, pool_type: str, num_prefix_tokens: int) -> None:
        super().__init__()
        if pool_type not in self.KINDS:
            raise OptionError(f"unknown global_pool {pool_type!r}{did_you_mean(pool_type, self.KINDS)}")
        if pool_type == "token" and not num_prefix_tokens:
            raise OptionError("global_pool 'token': the network has no class token; 'avg' pools the others")
        self.pool_type = "" if pool_type == "none" else pool_type
        self.num_prefix_tokens = num_prefix_tokens

    def is_identity(self) -> bool:
        """Tell whether it pools nothing."""
        return self.pool_type == ""

    def feat_mult(self) -> int:
        """Return how many channels come out per channel that goes in."""
        return 1

    def forward(self, x: Tensor) -> Tensor:
        """(batch, length, channels) to (batch, channels)."""
        if self.pool_type == "token":
            return x[:, 0]
        if self.pool_type == "":
            return x
        x = x[:, self.num_prefix_tokens :]
        if self.pool_type == "avg":
            return x.mean(1)
        return x.amax(1) if self.pool_type == "max" else 0.5 * (x.amax(1) + x.mean(1))

    def extra_repr(self) -> str:
        """Return the kind."""
        return f"pool_type={self.pool_type!r}"


class ClassifierHead(nn.Module):
    """Global pooling (`global_pool`), dropout (`drop`) and the classifier (`fc`).

    (batch, in_features, h, w) to (batch, num_classes); to the pooled features where `num_classes`
    is 0.

    Args:
        in_features: channels of the last feature map.
        num_classes: width of the logits; 0 for no classifier.
        pool_type: as `SelectAdaptivePool2d` takes it.
        drop_rate: probability to drop a pooled feature in training, in 0..1.
    """

    def __init__(self, in_features: int, num_classes: int, pool_type: str = "avg", drop_rate: float = 0.0) -> None:
        super().__init__()
        check_rate("drop_rate", drop_rate)
        self.in_features = in_features
        self.global_pool, fc = create_classifier(in_features, num_classes, pool_type)
        self.drop = nn.Dropout(drop_rate)
        self.fc = fc

    @property
    @torch.jit.unused
    def hidden_size(self) -> int:
        """Width of the pooled features, which the classifier takes."""
        return self.in_features * self.global_pool.feat_mult()

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(batch, in_features, h, w) to (batch, num_classes); (batch, hidden_size) `pre_logits`."""
        x = self.drop(self.global_pool(x))
        return x if pre_logits else self.fc(x)


def create_classifier(
    num_features: int, num_classes: int, pool_type: str = "avg", *, num_prefix_tokens: int | None = None
) -> tuple[SelectAdaptivePool2d | TokenPool, nn.Module]:
    """Make the pooling and the classifier for features of `num_features` channels.

    Args:
        num_features: channels of the last feature map.
        num_classes: width of the logits; 0 gives `nn.Identity` for the classifier.
        pool_type: the kind of `SelectAdaptivePool2d`, or of `TokenPool`; "" or "none" keeps the
            map, and then needs 0 classes.
        num_prefix_tokens: for tokens, how many precede those of the pixels; None for a map.

    Raises:
        OptionError: for a negative number of classes, or a classifier without pooling.
    """
    if num_classes < 0:
        raise OptionError(f"num_classes {num_classes}: at least 0, which means no classifier")
    pool = SelectAdaptivePool2d(pool_type) if num_prefix_tokens is None else TokenPool(pool_type, num_prefix_tokens)
    if num_classes == 0:
        return pool, nn.Identity()
    if pool.is_identity():
        raise OptionError(f"global_pool {pool_type!r} needs num_classes=0: a linear classifier wants pooled features")
    return pool, nn.Linear(num_features * pool.feat_mult(), num_classes)
