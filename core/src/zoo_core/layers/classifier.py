"""The head of a network: global pooling and a linear classifier."""

from __future__ import annotations

from torch import nn

from zoo_core.errors import OptionError
from zoo_core.layers.pool import SelectAdaptivePool2d


def create_classifier(
    num_features: int, num_classes: int, pool_type: str = "avg"
) -> tuple[SelectAdaptivePool2d, nn.Module]:
    """Pooling and classifier for feature maps of `num_features` channels.

    Args:
        num_features: channels of the last feature map.
        num_classes: width of the logits; 0 gives `nn.Identity` for the classifier.
        pool_type: the kind of `SelectAdaptivePool2d`; "" or "none" keeps the map, and then needs 0 classes.

    Raises:
        OptionError: for a negative number of classes, or a classifier without pooling.
    """
    if num_classes < 0:
        raise OptionError(f"num_classes {num_classes}: at least 0, which means no classifier")
    pool = SelectAdaptivePool2d(pool_type)
    if num_classes == 0:
        return pool, nn.Identity()
    if pool.is_identity():
        raise OptionError(f"global_pool {pool_type!r} needs num_classes=0: a linear classifier wants pooled features")
    return pool, nn.Linear(num_features * pool.feat_mult(), num_classes)
