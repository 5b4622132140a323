"""Checks of programs made of a network: script, trace, graph, export, compile.

A network class may claim fewer of them, in its attribute ``programs``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from zoo_kit.conformance.check import NotApplicable, check

if TYPE_CHECKING:
    from zoo_kit.conformance.subject import Subject

Run = Callable[[Tensor], Tensor]
PROGRAMS: dict[str, Callable[[nn.Module, Tensor], Run]] = {
    "script": lambda net, images: torch.jit.script(net),
    "trace": lambda net, images: torch.jit.trace(net, (images,)),  # type: ignore[no-untyped-call]
    "fx": lambda net, images: torch.fx.symbolic_trace(net),
    "export": lambda net, images: torch.export.export(net, (images,)).module(),
    "compile": lambda net, images: torch.compile(net, fullgraph=True, backend="eager"),
}
_REASONS = {
    "script": "TorchScript runs without Python, on servers and phones",
    "trace": "torch.jit.trace is what converters to other formats begin with",
    "fx": "quantisation and graph surgery read the graph of torch.fx",
    "export": "torch.export makes the program that AOTInductor and ExecuTorch compile",
    "compile": "torch.compile must see the network whole (fullgraph=True) to make it fast",
}


def claims(net: nn.Module) -> tuple[str, ...]:
    """Return the programs that a network's class claims: its ``programs``, or all."""
    return tuple(getattr(type(net), "programs", PROGRAMS))


def _add(program: str) -> None:
    @check(
        program,
        reason=_REASONS[program],
        remedy="keep forward_stages and forward_head free of what torch cannot follow, or name in the network class's "
        "`programs` those that work",
        scope="smallest",
        needs=("contract",),
    )
    def made(subject: Subject, name: str) -> Iterable[str]:
        net = subject.create(name).eval()
        if unknown := set(claims(net)) - set(PROGRAMS):
            yield f"its network claims {min(unknown)!r}: programs are {', '.join(PROGRAMS)}"
        elif program not in claims(net):
            raise NotApplicable("its network does not claim it")
        else:
            yield from differences(program, net, subject.images(name))


def differences(program: str, net: nn.Module, images: Tensor) -> Iterable[str]:
    """Yield the faults of one program of a network."""
    try:
        with torch.no_grad():
            made: Any = PROGRAMS[program](net, images)(images)
            wanted = net(images)
    except Exception as error:
        yield f"it fails: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return
    finally:
        if program == "compile":
            torch.compiler.reset()
    if not torch.allclose(made, wanted, rtol=1e-3, atol=1e-4):
        yield f"its logits differ from the network's by up to {(made - wanted).abs().max().item():.2g}"


for _program in PROGRAMS:
    _add(_program)
