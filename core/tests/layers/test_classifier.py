"""Global pooling and the classifier."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from zoo_core.errors import OptionError
from zoo_core.layers import SelectAdaptivePool2d, create_classifier

IMAGES = torch.randn(2, 8, 12, 12)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("avg", lambda x: x.mean((2, 3))),
        ("max", lambda x: x.amax((2, 3))),
        ("avgmax", lambda x: (x.mean((2, 3)) + x.amax((2, 3))) / 2),
        ("catavgmax", lambda x: torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1)),
        ("", lambda x: x),
        ("none", lambda x: x),
    ],
)
def test_global_pools(kind: str, expected: Callable[[Tensor], Tensor]) -> None:
    torch.testing.assert_close(SelectAdaptivePool2d(kind)(IMAGES), expected(IMAGES))


def test_a_classifier_follows_the_pool() -> None:
    _, fc = create_classifier(8, 5, "catavgmax")
    assert (fc.in_features, fc.out_features) == (16, 5)
    assert isinstance(create_classifier(8, 0)[1], nn.Identity)
    with pytest.raises(OptionError, match="needs num_classes=0"):
        create_classifier(8, 5, "")
