"""`facts_of`: any module in, its facts out, and the module as it was."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from zoo_core.discovery.facts import read_facts
from zoo_kit.manifest import facts_of


class Mixed(nn.Module):
    """A convolution, a depthwise one, attention, and maps of three layouts."""

    def __init__(self, *, fused: bool = True) -> None:
        super().__init__()
        self.fused = fused
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.BatchNorm2d(8), nn.ReLU())
        self.wide = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.last = nn.LayerNorm(8)
        self.tokens = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.head = nn.Linear(8, 10)
        self.drop = nn.Dropout()
        names = {"stem": 4, "last": 4, "tokens": 4}
        self.feature_info = [{"num_chs": 8, "reduction": size, "module": name} for name, size in names.items()]

    def forward(self, x: Tensor) -> Tensor:
        x = self.last(self.wide(self.stem(x)).permute(0, 2, 3, 1))
        q, k, v = self.qkv(self.tokens(x.flatten(1, 2))).chunk(3, dim=-1)
        if self.fused:
            x = functional.scaled_dot_product_attention(q, k, v)
        else:
            x = (q @ k.transpose(1, 2) / 8**0.5).softmax(-1) @ v
        return self.head(self.drop(x).mean(1))


SIDE, TOKENS = 6, 36  # of an image of 24 pixels
EXPECTED = {
    "parameters": (8 * 3 * 16 + 8) + 16 + 8 * 9 + 16 + 16 + (8 * 24 + 24) + (8 * 10 + 10),
    "macs": TOKENS * (8 * 3 * 16 + 8 * 9 + 8 * 24) + 2 * TOKENS * TOKENS * 8 + 80,
    "activations": TOKENS * (8 + 8 + 24 + 8) + TOKENS * TOKENS + 10,
    "input_size": [3, 24, 24],
    "channels": [8, 8, 8],
    "reductions": [4, 4, 4],
    "modules": ["stem", "last", "tokens"],
    "layouts": ["NCHW", "NHWC", "NLC"],
}


@pytest.mark.parametrize("fused", [True, False])
def test_the_facts_are_what_one_counts_by_hand(fused: bool) -> None:
    with torch.device("meta"):
        net = Mixed(fused=fused)
    assert facts_of(net, (3, 24, 24)) == EXPECTED
    assert read_facts(facts_of(net, (3, 24, 24), fixed_input_size=True), "x").fixed_input_size


def test_in_memory_they_are_the_same() -> None:
    assert facts_of(Mixed(fused=False), (3, 24, 24)) == EXPECTED


def test_the_module_is_as_it_was() -> None:
    net = Mixed().train()
    net.stem[1].eval()
    before = copy.deepcopy(net.state_dict()), [module.training for module in net.modules()]
    state = torch.get_rng_state()
    facts_of(net, (3, 24, 24))
    assert [module.training for module in net.modules()] == before[1]
    assert all(torch.equal(tensor, before[0][name]) for name, tensor in net.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert not any(module._forward_hooks for module in net.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in net.parameters())


def test_a_layout_that_the_network_states_counts() -> None:
    net = Mixed()
    net.feature_info = [{"num_chs": 8, "reduction": 4, "module": "wide", "layout": "NHWC"}]
    assert facts_of(net, (3, 24, 24))["layouts"] == "NHWC"


def test_a_module_without_maps_has_none() -> None:
    facts = facts_of(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (3, 2, 2))
    assert facts == {"parameters": 65, "macs": 60, "activations": 5, "input_size": [3, 2, 2]}
    assert read_facts(facts, "x").channels == ()
