"""What `Network` does for a family that names its classifier."""

import pytest
import torch
from torch import Tensor, nn
from zoo_core.errors import OptionError
from zoo_core.layers import create_classifier
from zoo_core.network import Network
from zoo_core.network.infer import find_classifier


class Head(nn.Module):
    def __init__(self, num_features: int, num_classes: int, pool: str) -> None:
        super().__init__()
        self.global_pool, self.fc = create_classifier(num_features, num_classes, pool)


class Nested(Network):
    """A network whose classifier is inside another module."""

    classifier_name = "head.fc"

    def __init__(self, num_classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.num_classes, self.num_features, self.num_stages = num_classes, 8, 1
        self.feature_info = [{"num_chs": 8, "reduction": 1, "module": "stem"}]
        self.head = Head(8, num_classes, "avg")
        self.head_hidden_size = 8

    def forward_stages(self, x: Tensor, taps: list[int], last: int) -> tuple[Tensor, list[Tensor]]:
        x = self.stem(x)
        return x, [x for _ in taps]

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.head.global_pool(x)
        return x if pre_logits else self.head.fc(x)


IMAGES = torch.ones(2, 3, 8, 8)


def test_the_named_classifier_is_the_network_s():
    net = Nested()
    assert net.get_classifier() is net.head.fc
    assert find_classifier(net) == "head.fc"


@pytest.mark.parametrize(("pool", "width"), [(None, 8), ("catavgmax", 16)])
def test_a_reset_classifier_has_the_classes_and_the_pooling_asked_for(pool: str | None, width: int) -> None:
    net = Nested().double()
    net.reset_classifier(7, pool)
    assert net(IMAGES.double()).shape == (2, 7)
    assert net.forward_head(net.forward_features(IMAGES.double()), pre_logits=True).shape == (2, width)
    assert (net.num_classes, net.head_hidden_size, net.get_classifier().in_features) == (7, width, width)


def test_a_classifier_brings_its_pooling_back_and_keeps_the_mode() -> None:
    net = Nested().eval()
    net.reset_classifier(0, "")
    net.reset_classifier(7)
    assert net(IMAGES).shape == (2, 7)
    assert not any(module.training for module in net.modules())


def test_no_classes_and_no_pooling_leave_the_map() -> None:
    net = Nested()
    net.reset_classifier(0, "")
    assert isinstance(net.get_classifier(), nn.Identity)
    assert net(IMAGES).shape == (2, 8, 6, 6)


@pytest.mark.parametrize(("classes", "pool"), [(-1, None), (3, ""), (3, "median")])
def test_a_head_that_cannot_be_leaves_the_network_as_it_was(classes: int, pool: str | None) -> None:
    net = Nested()
    logits = net(IMAGES)
    with pytest.raises(OptionError):
        net.reset_classifier(classes, pool)
    assert net.num_classes == 5
    assert torch.equal(net(IMAGES), logits)


def test_it_scripts() -> None:
    net = Nested()
    assert torch.equal(torch.jit.script(net)(IMAGES), net(IMAGES))
