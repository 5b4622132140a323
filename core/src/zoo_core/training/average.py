"""The exponential moving average of a model's weights, in torch's own `AveragedModel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch.optim.swa_utils import AveragedModel

from zoo_core.errors import OptionError

if TYPE_CHECKING:
    from torch import Tensor, nn


def average_model(
    model: nn.Module,
    decay: float = 0.9999,
    *,
    warm_up: float | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> AveragedModel:
    """Return the moving average of a model's weights and buffers, a copy of it in eval mode.

    Examples:
        >>> average = average_model(net)
        >>> average.update_parameters(net)  # after each step of the optimiser
        >>> average(images)

    The first update takes the weights as they are. The average is ``average.module``; its
    `state_dict` remembers the count of updates, for a resumed training.

    Args:
        model: what is trained. Average the network itself, not a compiled or parallel form of it.
        decay: the weight of the average at each update, in 0..1.
        warm_up: a power, such as 2 / 3: until it reaches `decay`, the weight after n updates is
            ``1 - (1 + n) ** -warm_up``, so that a short training does not average its beginning.
        device: of the average; None for the model's.
        dtype: of its floating-point tensors; None for the model's. The steps of an average are
            below the precision of half types: give torch.float32 for a model of those.

    Raises:
        OptionError: for a decay or warm-up out of range.
    """
    if not 0.0 <= decay <= 1.0:
        raise OptionError(f"decay {decay!r}: the weight of an average is in 0..1")
    if warm_up is not None and not warm_up > 0.0:
        raise OptionError(f"warm_up {warm_up!r}: it is a power above 0, such as 2 / 3")

    @torch.no_grad()
    def update(averages: Any, values: Any, count: Tensor | int) -> None:
        weight = decay if warm_up is None else min(decay, 1.0 - (1.0 + int(count)) ** -warm_up)
        _lerp(list(averages), list(values), 1.0 - weight)

    place = None if device is None else torch.device(device)
    average = AveragedModel(model, device=place, multi_avg_fn=cast("Any", update), use_buffers=True)
    if dtype is not None:
        average.module.to(dtype=dtype)
    average.requires_grad_(False)
    return average.eval()


def _lerp(averages: list[Tensor], values: list[Tensor], weight: float) -> None:
    """Move averages towards values, all of one device and dtype; counters just follow."""
    if not averages[0].is_floating_point():
        torch._foreach_copy_(averages, values)
    elif all(value.dtype == averages[0].dtype for value in values):
        torch._foreach_lerp_(averages, values, weight)
    else:
        for one, other in zip(averages, values, strict=True):
            one.lerp_(other.to(one), weight)
