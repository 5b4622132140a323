"""`forward_intermediates` with its final norm, and pruning to its maps."""

import warnings
from typing import List, Tuple  # noqa: UP035 - as networks write it

import pytest
import torch
from tiny import TinyNet
from torch import Tensor, nn
from zoo_core.errors import OptionError
from zoo_core.features.getter import FeatureGetterNet


class Normed(TinyNet):
    """A network whose walk ends with a norm after the last map, as transformers' do."""

    final_norm = "norm"

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(8)
        nn.init.constant_(self.norm.bias, 3.0)

    def forward_stages(self, x: Tensor, taps: List[int], last: int) -> Tuple[Tensor, List[Tensor]]:  # noqa: UP006
        x, maps = super().forward_stages(x, taps, last)
        return self.norm(x) if last == self.num_stages else x, maps


class Stubborn(TinyNet):
    """A network with a pooling of its own, as `zoo new` writes them."""

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        if global_pool is not None:
            raise OptionError(f"global_pool {global_pool!r}: it has a pooling of its own")
        super().reset_classifier(num_classes)


X = torch.randn(2, 3, 16, 16)


@pytest.mark.parametrize("indices", [None, (2,), (2, 0), (0, -1, 1)])
@pytest.mark.parametrize("intermediates_only", [True, False])
def test_the_last_map_is_normed_where_it_is_asked_for_wherever_it_stands(indices, intermediates_only):
    net = Normed().eval()
    options = {"indices": indices, "intermediates_only": True}
    plain = net.forward_intermediates(X, **options)
    options["intermediates_only"] = intermediates_only
    normed = net.forward_intermediates(X, norm=True, stop_early=True, **options)
    if not intermediates_only:
        features, normed = normed
        assert torch.equal(features, net.forward_features(X))
    for index, one, other in zip(indices or (0, 1, 2), normed, plain, strict=True):
        assert torch.equal(one, net.norm(other) if index in (2, -1) else other)


def test_maps_before_the_last_have_no_norm_after_them():
    net = Normed().eval()
    for one, other in zip(
        net.forward_intermediates(X, (0, 1), norm=True, intermediates_only=True),
        net.forward_intermediates(X, (0, 1), intermediates_only=True),
        strict=True,
    ):
        assert torch.equal(one, other)


def test_the_getter_norms():
    net = Normed().eval()
    normed, plain = (FeatureGetterNet(net, (2,), norm=norm)(X)[0] for norm in (True, False))
    assert torch.equal(normed, net.norm(plain))


def test_a_network_without_a_final_norm_says_so_and_gives_its_maps():
    net = TinyNet().eval()
    with pytest.warns(UserWarning, match="norm=True changes no map: TinyNet has no final norm"):
        normed = net.forward_intermediates(X, norm=True, intermediates_only=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = net.forward_intermediates(X, intermediates_only=True)
    assert all(torch.equal(one, other) for one, other in zip(normed, plain, strict=True))


@pytest.mark.parametrize("network", [TinyNet, Stubborn])
def test_pruning_to_all_stages_drops_the_classifier(network):
    net = network().eval()
    expected = net.forward_intermediates(X)
    assert net.prune_intermediate_layers(None) == [0, 1, 2]
    assert net.num_classes == 0
    assert isinstance(net.fc, nn.Identity)
    features, maps = net.forward_intermediates(X)
    assert torch.equal(features, expected[0])
    assert all(torch.equal(one, other) for one, other in zip(maps, expected[1], strict=True))


def test_pruning_leaves_the_head_where_it_is_told_to():
    net = Stubborn()
    net.prune_intermediate_layers(None, prune_head=False)
    assert net.num_classes == 5
