"""The classifier at the end of a network: pooling, dropout, linear layer."""

import torch
from torch import Tensor, nn

from zoo_core.layers.classifier import create_classifier
from zoo_core.layers.drop import check_rate


class ClassifierHead(nn.Module):
    """Global pooling (`global_pool`), dropout (`drop`) and the classifier (`fc`).

    (batch, in_features, h, w) to (batch, num_classes); to the pooled features where `num_classes` is 0.

    Args:
        in_features: channels of the last feature map.
        num_classes: width of the logits; 0 for no classifier.
        pool_type: as `zoo_core.layers.pool.SelectAdaptivePool2d` takes it.
        drop_rate: probability in 0..1 with which a pooled feature is dropped in training.
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
        """(batch, in_features, h, w) to (batch, num_classes), or with `pre_logits` to (batch, hidden_size)."""
        x = self.drop(self.global_pool(x))
        return x if pre_logits else self.fc(x)
