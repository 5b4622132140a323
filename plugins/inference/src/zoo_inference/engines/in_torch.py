"""Engines of PyTorch alone."""

from __future__ import annotations

import copy
import time
import warnings
from typing import Any

import torch
from torch import Tensor, fx, nn

from zoo_inference.engines.memory import in_parts, use_large_pages
from zoo_inference.engines.subject import Flat, Run, Subject
from zoo_inference.graph.fuse import channels_last, fuse
from zoo_inference.graph.grow import grow
from zoo_inference.graph.record import apart, record
from zoo_inference.graph.tile import tile
from zoo_inference.graph.trace import copied, first_line
from zoo_inference.refused import Refused

LONG_S = 0.5
"""Seconds of a run above which nobody notices the Python between its operations."""


def folded(subject: Subject) -> Run:
    """Norms folded into convolutions, and nothing else."""
    return subject.graph


def folded_channels_last(subject: Subject) -> Run:
    """Norms folded, and each pixel's channels side by side in memory."""
    net = copied(subject.graph)
    channels_last(net)
    net.recompile()
    for name, buffer in list(net._buffers.items()):
        if buffer is not None and buffer.dim() == 4:
            net._buffers[name] = buffer.contiguous(memory_format=torch.channels_last)
    return net


def plain_channels_last(subject: Subject) -> Run:
    """The network itself, channels last: for what cannot be traced."""
    if subject.example.dim() != 4:
        raise Refused("its input is no batch of images")
    net = copy.deepcopy(subject.net).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(x: Tensor) -> Any:
        output = net(x.contiguous(memory_format=torch.channels_last))
        return torch.utils._pytree.tree_map(lambda leaf: leaf.contiguous(), output)

    return run


def fused(subject: Subject) -> Run:
    """Norms folded, and oneDNN's convolutions that end in an activation or a sum."""
    if subject.example.device.type != "cpu":
        raise Refused("it is for CPUs")
    return _run(subject, fuse(subject.graph)[0])


def grown(subject: Subject) -> Run:
    """As `fused`, and dense blocks that write into one buffer."""
    if subject.example.device.type != "cpu":
        raise Refused("it is for CPUs")
    net, buffers = grow(subject.graph)
    if not buffers:
        raise Refused("it has no dense blocks")
    return _run(subject, fuse(net)[0])


def winograd(subject: Subject) -> Run:
    """As `grown`, and 3x3 convolutions with fewer multiplications where that should be faster."""
    if subject.example.device.type != "cpu":
        raise Refused("it is for CPUs")
    return _run(subject, fuse(tile(grow(subject.graph)[0])[0])[0])


def _run(subject: Subject, net: fx.GraphModule) -> Run:
    """Run a graph in parts of the batch, where its maps are large."""
    run = _recorded(subject, net)
    use_large_pages()
    return run if len(subject.part) == len(subject.example) else in_parts(run, len(subject.part))


def _recorded(subject: Subject, net: fx.GraphModule) -> Run:
    """Run inputs of the part's shape without Python between the operations, where that works."""
    begin = time.perf_counter()
    net(subject.part)
    if time.perf_counter() - begin > LONG_S:
        return net
    try:
        program = record(net, subject.part)
        subject.structure  # noqa: B018 - computed now, and not in the first run
    except Exception:  # of TorchScript, which has not every operation, and which other versions may lack
        return net
    shape = subject.part.shape
    return lambda x: subject.arranged(program(x)) if x.shape == shape else net(x)


def script(subject: Subject) -> Run:
    """TorchScript, frozen and optimised for inference."""
    flat = Flat(subject.best).eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what varies with the input is found out by comparing
        try:
            program = apart(torch.jit.trace(flat, subject.example, check_trace=False))  # type: ignore[no-untyped-call]
            program = torch.jit.optimize_for_inference(torch.jit.freeze(program))
            program(subject.example)  # the second run compiles
        except Exception as error:
            raise Refused(f"TorchScript: {first_line(error)}") from error
    subject.structure  # noqa: B018 - computed now, and not in the first run
    return lambda x: subject.arranged(program(x))


def compiled(subject: Subject) -> Run:
    """`torch.compile` with frozen weights."""
    with torch.no_grad():
        try:
            program = torch.compile(subject.best, options={"freezing": True})
            program(subject.example)
        except Exception as error:
            raise Refused(f"torch.compile: {first_line(error)}") from error
    return program


def bfloat16(subject: Subject) -> Run:
    """In bfloat16, which has 8 bits of precision: tried only when asked for."""
    return _in_precision(subject, torch.bfloat16)


def float16(subject: Subject) -> Run:
    """In float16, which has 11 bits of precision: tried only when asked for."""
    return _in_precision(subject, torch.float16)


def _in_precision(subject: Subject, dtype: torch.dtype) -> Run:
    best = subject.best
    net: nn.Module = copied(best) if isinstance(best, fx.GraphModule) else best
    net = copy.deepcopy(net).to(dtype)
    given = subject.example.dtype

    def run(x: Tensor) -> Any:
        return torch.utils._pytree.tree_map(lambda leaf: leaf.to(given), net(x.to(dtype)))

    return run
