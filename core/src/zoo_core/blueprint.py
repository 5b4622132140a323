"""Build a network without memory and without drawing its weights, because something else will give it its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable

# What allocates parameters and buffers. Factories of values that a constructor computes with (arange, linspace, tensor)
# are left alone, so that such a value is what it should be.
_ALLOCATIONS = frozenset({torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn})
_DRAWS = frozenset(
    {
        init.uniform_,
        init.normal_,
        init.constant_,
        init.kaiming_uniform_,
        init.kaiming_normal_,
        Tensor.uniform_,
        Tensor.normal_,
        Tensor.fill_,
        Tensor.zero_,
    }
)


class Blueprint(TorchFunctionMode):
    """Inside this context, tensors are allocated on the meta device, and nothing is drawn into those.

    Unlike ``with torch.device("meta")`` it skips the work of drawing, which takes most of the time there, and it holds
    for the current thread alone.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _ALLOCATIONS:
            if kwargs.get("device") is None:
                kwargs["device"] = "meta"
                func = torch.empty  # the others run Python decompositions on the meta device, 80 ms of imports
        elif func in _DRAWS:
            tensor = args[0] if args else kwargs["tensor"]
            if tensor.is_meta:
                return tensor
        return func(*args, **kwargs)
