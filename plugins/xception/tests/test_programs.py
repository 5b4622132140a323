"""Script, trace, fx, export and compile: the program gives what the network gives."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
import torch
import zoo_xception
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "legacy": ("legacy_xception", {}),
    "aligned": ("test_xception", {}),
    "preactivated": ("test_xception", {"preact": True}),
    "dilated": ("test_xception", {"output_stride": 8}),
    "dropping": ("test_xception", {"drop_rate": 0.1, "drop_path_rate": 0.1}),
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
    net = getattr(zoo_xception, name)(num_classes=10, **options).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        # An exported program may add up in another order.
        torch.testing.assert_close(PROGRAMS[program](net, images)(images), net(images), rtol=1e-4, atol=1e-4)


@pytest.mark.heavy
@pytest.mark.parametrize("name", [*zoo_xception.FAMILY.architectures, "legacy_xception", "xception"])
def test_every_architecture_scripts_and_exports(name: str) -> None:
    with torch.device("meta"):
        net = getattr(zoo_xception, name)().eval()
        torch.jit.script(net)
        torch.export.export(net, (torch.empty(2, 3, 64, 64),))


@pytest.mark.parametrize("out_indices", [(0,), (1, 2), (3,), (2, 0)])
@pytest.mark.parametrize(
    ("name", "options"), [("test_xception", {}), ("test_xception", {"preact": True}), ("legacy_xception", {})], ids=str
)
def test_a_truncated_network_scripts(name: str, options: dict[str, Any], out_indices: tuple[int, ...]) -> None:
    net = getattr(zoo_xception, name)(features_only=True, out_indices=out_indices, **options).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for one, other in zip(torch.jit.script(net)(images), net(images), strict=True):
            assert torch.equal(one, other)


def test_compiled_checkpointing_updates_statistics_once() -> None:
    net = zoo_xception.test_xception()
    net.set_grad_checkpointing()
    torch.compile(net, fullgraph=True, backend="aot_eager")(torch.randn(2, 3, 64, 64)).sum().backward()
    assert net.blocks[0].stack.conv1.bn_dw.num_batches_tracked == 1
