"""Script, trace, fx, export and compile: the program gives what the network gives."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from zoo_cspnet import FAMILY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "csp, bottlenecks, stem pool": ("cspresnet50d", {"depth": (1, 1, 1, 1)}),
    "csp, dark blocks": ("cspdarknet53", {"depth": (1, 1, 1, 1, 1)}),
    "dark stages, se": ("sedarknet21", {"depth": (1, 1, 1, 1, 1)}),
    "average-pooled": ("darknetaa53", {"depth": (1, 1, 1, 1, 1)}),
    "cs3": ("test_cspnet", {}),
    "cs3, focus, edge blocks, blur": ("cs3darknet_focus_s", {"block_type": "edge", "aa_layer": "blur"}),
    "in-place activated batch norm": ("cspdarknet53_iabn", {"depth": (1, 1, 1, 1, 1)}),
    "dilated": ("cs3darknet_s", {"output_stride": 8}),
    "dropping": ("test_cspnet", {"drop_rate": 0.1, "drop_path_rate": 0.1}),
}
PROGRAMS: dict[str, Callable[[nn.Module, Tensor], Callable[[Tensor], Tensor]]] = {
    "script": lambda net, images: torch.jit.script(net),
    "trace": torch.jit.trace,
    "fx": lambda net, images: torch.fx.symbolic_trace(net),
    "export": lambda net, images: torch.export.export(net, (images,)).module(),
    "compile": lambda net, images: torch.compile(net, fullgraph=True, backend="eager"),
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """torch deprecates TorchScript, and its own tracers warn of its own modules."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    torch.compiler.reset()


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("case", NETWORKS)
def test_the_program_gives_what_the_network_gives(case: str, program: str) -> None:
    name, options = NETWORKS[case]
    torch.manual_seed(0)
    net = FAMILY.constructor(name)(num_classes=10, zero_init_last=False, **options).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        # An exported program may add up in another order.
        torch.testing.assert_close(PROGRAMS[program](net, images)(images), net(images), rtol=1e-4, atol=1e-4)


@pytest.mark.heavy
@pytest.mark.parametrize("name", FAMILY.architectures)
def test_every_architecture_scripts_and_exports(name: str) -> None:
    with torch.device("meta"):
        net = FAMILY.constructor(name)().eval()
        torch.jit.script(net)
        torch.export.export(net, (torch.empty(2, 3, 64, 64),))


@pytest.mark.parametrize("out_indices", [(0,), (1, 2), (3,), (3, 1)])
def test_a_truncated_network_scripts(out_indices: tuple[int, ...]) -> None:
    net = FAMILY.constructor("test_cspnet")(features_only=True, out_indices=out_indices).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for one, other in zip(torch.jit.script(net)(images), net(images), strict=True):
            assert torch.equal(one, other)


def test_compiled_checkpointing_updates_statistics_once() -> None:
    net = FAMILY.constructor("test_cspnet")()
    net.set_grad_checkpointing()
    torch.compile(net, fullgraph=True, backend="aot_eager")(torch.randn(2, 3, 64, 64)).sum().backward()
    assert net.stages[0].blocks[0].conv1.bn.num_batches_tracked == 1
