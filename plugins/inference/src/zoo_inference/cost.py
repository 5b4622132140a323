"""What a network costs, whatever it runs on: parameters, multiply-adds, activations."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from zoo_core.network.meta import on_meta


@dataclass(frozen=True)
class Cost:
    """Counts for one image.

    Attributes:
        parameters: of the network.
        multiply_adds: of convolutions and matrix products.
        activations: values that convolutions and matrix products yield.
    """

    parameters: int
    multiply_adds: int
    activations: int


def cost_of(model: nn.Module, shape: tuple[int, ...]) -> Cost:
    """Count for one input of a shape (channels, height, width). Nothing is computed.

    The model is left as it is.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with on_meta(model), torch.no_grad(), FlopCounterMode(display=False) as flops, _Outputs() as outputs:
            model(torch.empty((1, *shape), device="meta"))
    finally:
        for module, training in modes:
            module.training = training
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Cost(parameters, flops.get_total_flops() // 2, outputs.count)


class _Outputs(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what convolutions and matrix products yield."""

    COUNTED = ("convolution", "mm", "addmm", "bmm", "baddbmm")

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ in self.COUNTED and isinstance(result, Tensor):
            self.count += result.numel()
        return result


def peak_bytes(run: Callable[[], Any], device: str) -> int:
    """Return the most bytes of tensors that one run holds beyond what was held before it.

    On a CPU, what operators and other libraries allocate inside is not seen.
    """
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with _Alive() as alive:
        run()
    return alive.peak


class _Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the storages that operators make until they are freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.storages: dict[weakref.ref[Any], int] = {}
        self.seen: set[int] = set()
        self.held = self.peak = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = {leaf.untyped_storage()._cdata for leaf in pytree.tree_leaves((args, kwargs)) if _is_dense(leaf)}
        result = func(*args, **(kwargs or {}))
        for leaf in pytree.tree_leaves(result):
            if _is_dense(leaf) and (storage := leaf.untyped_storage())._cdata not in given | self.seen:
                self._follow(storage)
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        address, size = storage._cdata, storage.nbytes()

        def freed(_: object) -> None:
            self.held -= size
            self.seen.discard(address)
            del self.storages[reference]

        reference = weakref.ref(storage, freed)
        self.storages[reference] = size
        self.seen.add(address)
        self.held += size
        self.peak = max(self.peak, self.held)


def _is_dense(leaf: object) -> bool:
    return isinstance(leaf, Tensor) and leaf.layout is torch.strided
