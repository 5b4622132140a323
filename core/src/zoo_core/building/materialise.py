"""Construct a network without drawing what weights replace, then give values to what has none."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import nn

from zoo_core.building.copies import copied_layers
from zoo_core.building.deferred import Deferral
from zoo_core.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def building(device: torch.device | str | None = None) -> Iterator[Deferral]:
    """A context that constructs and loads on a device, without draws that weights may replace.

    Once `complete` was called, the network is what constructing and loading give elsewhere. A
    network for the meta device is constructed on the CPU, so that its constructor may compute with
    values.
    """
    place = _place(device)
    keeps_seed: AbstractContextManager[None] = nullcontext()
    if place.type == "meta":
        place, keeps_seed = torch.device("cpu"), torch.random.fork_rng(devices=[])
    # To set the device that is set already would put a Python call before each of torch's.
    on_place = nullcontext() if place == torch.get_default_device() else place
    with keeps_seed, on_place, Deferral() as deferral, copied_layers(deferral):
        yield deferral


def complete(
    model: nn.Module,
    deferral: Deferral,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Draw the values that no weights replaced, or drop all values for the meta device; cast.

    Args:
        model: the network.
        deferral: the context that `building` gave, which has ended.
        device: as given to `building`.
        dtype: of floating-point tensors; None leaves it.

    Raises:
        PluginError: for a parameter or buffer that nobody has given values.
    """
    on_meta = _place(device).type == "meta"
    deferral.finish(model, draw=not on_meta)
    if on_meta:
        from zoo_core.network.meta import to_meta  # few models are wanted there

        to_meta(model)
    if dtype is not None:
        model.to(dtype=dtype)


def _place(device: torch.device | str | None) -> torch.device:
    if device is None:
        return torch.get_default_device()
    try:
        return torch.device(device)
    except (RuntimeError, TypeError) as error:
        what = f"device is a torch.device or the name of one, such as 'cuda:0', not {device!r}"
        raise OptionError(what) from error
