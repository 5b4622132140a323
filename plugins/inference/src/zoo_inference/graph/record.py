"""A graph as a TorchScript program, without Python between its operations.

Python takes some microseconds between two operations, which is 3 to 7 percent of an image's time in
resnet50 and densenet121. A program holds for the shape that it was recorded with.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree


def record(net: fx.GraphModule, example: Tensor) -> Any:
    """Return a function of an input like `example` that returns the network's outputs, flat.

    Raises:
        Exception: of any kind, from TorchScript, where it cannot.
    """
    net(example)  # what is cached for this shape is no part of the program
    program = _Program(net)
    tensors = program.taken()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on TorchScript's future, and on shapes, which are constant here
            traced = torch.jit.trace(program, (example, tensors), check_trace=False, _store_inputs=False)  # type: ignore[no-untyped-call]
            loaded = apart(traced)
            for _ in range(2):  # the second run compiles
                loaded(example, tensors)
    finally:
        program.put(tensors)
    return lambda x: loaded(x, tensors)


def apart(traced: Any) -> Any:
    """Return a traced program with constants of its own, which are freed with it.

    Those of a traced one stay in the process, which keeps the weights of every frozen module.
    """
    file = io.BytesIO()
    torch.jit.save(traced, file)
    file.seek(0)
    return torch.jit.load(file).eval()  # type: ignore[no-untyped-call]


class _Program(nn.Module):
    """A graph whose inputs are also its tensors that TorchScript cannot keep: packed weights."""

    def __init__(self, net: fx.GraphModule) -> None:
        super().__init__()
        self.net = net
        self.slots = [
            (module, name)
            for module in net.modules()
            for name, value in vars(module).items()
            if isinstance(value, Tensor)
        ]

    def forward(self, x: Tensor, tensors: list[Tensor]) -> tuple[Tensor, ...]:
        """Return the network's outputs."""
        self.put(tensors)
        try:
            return tuple(pytree.tree_leaves(self.net(x)))
        finally:
            self.taken()

    def put(self, tensors: Sequence[Tensor | None]) -> None:
        """Give the network its tensors."""
        for (module, name), tensor in zip(self.slots, tensors, strict=True):
            object.__setattr__(module, name, tensor)

    def taken(self) -> list[Tensor]:
        """Take the tensors out of the network, and return them."""
        tensors = [getattr(module, name) for module, name in self.slots]
        self.put([None] * len(tensors))
        return tensors
