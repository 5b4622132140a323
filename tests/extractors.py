"""What tests of feature extractors share: a small real model of each family, in every wrapper, and
what is expected."""

from __future__ import annotations

import copy
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
import zoo_core as zoo
from torch import Tensor, nn
from zoo_core.features.wrap import wrap_features

if TYPE_CHECKING:
    from collections.abc import Sequence

FAMILIES = ("test_cspnet", "test_densenet", "test_resnet", "test_xception")
WRAPPERS = ("list", "dict", "hook", "fx", "getter")
SOME = [
    *((name, "list") for name in FAMILIES),
    *(("test_xception", wrapper) for wrapper in WRAPPERS if wrapper != "list"),
]
"""Where all of them would take minutes and tell no more: each family, and each wrapper over the
family whose maps lie
inside its blocks."""


@cache
def _trained(name: str) -> nn.Module:
    return zoo.create_model(name, pretrained=True).eval()


def network(name: str) -> nn.Module:
    """A trained network, so that every layer and statistic counts, in eval mode. The weights lie in
    its package."""
    return copy.deepcopy(_trained(name))


def extractor(name: str, wrapper: str, indices: Sequence[int] | None = None) -> nn.Module:
    """An extractor of a network of its own, in eval mode."""
    return wrap_features(network(name), {"feature_cls": wrapper, "out_indices": indices})


def images(size: int = 64, batch: int = 2) -> Tensor:
    """Noise, always the same: (batch, 3, size, size + 8)."""
    return torch.randn(batch, 3, size, size + 8, generator=torch.Generator().manual_seed(0))


def maps_of(output: Any) -> list[Tensor]:
    """The maps that a wrapper returned, as a list."""
    return list(output.values()) if isinstance(output, dict) else list(output)


def maps_of_whole(net: nn.Module, x: Tensor, indices: Sequence[int] | None = None) -> list[Tensor]:
    """What the modules that the network's table names yield while the whole network runs.

    Each as it is then: what comes later may work on it in place.
    """
    names = [entry["module"] for entry in net.feature_info]
    maps: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Tensor) -> None:
            maps[name] = output.clone()

        return hook

    handles = [net.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    net(x)
    for handle in handles:
        handle.remove()
    return [maps[names[index]] for index in (range(len(names)) if indices is None else indices)]


def assert_same_maps(got: Any, expected: Any) -> None:
    """Bit for bit, in the same order."""
    for index, (one, other) in enumerate(zip(maps_of(got), maps_of(expected), strict=True)):
        assert torch.equal(one, other), f"map {index}"


def assert_same_state(part: nn.Module, whole: nn.Module) -> None:
    """What `part` keeps of `whole` is the same there, running statistics included."""
    state = whole.state_dict()
    for key, value in part.state_dict().items():
        assert torch.equal(value, state[key]), key


def assert_same_gradients(part: nn.Module, whole: nn.Module) -> None:
    """What `part` keeps of `whole` has learnt the same, but for the order in which gradients of a
    map were added up."""
    gradients = {name: parameter.grad for name, parameter in whole.named_parameters()}
    for name, parameter in part.named_parameters():
        if gradients[name] is None:
            assert parameter.grad is None, name
        else:
            scale = gradients[name].abs().max().item()
            torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-4, atol=1e-5 * scale)
