"""Fit a state dict to another count of channels or classes, without changing it in place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zoo_core.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from torch import Tensor

    from zoo_core.config import PretrainedCfg
    from zoo_core.weights.loading.state_dict import StateDict


def adapt_input_conv(weight: Tensor, in_chans: int, channels: int = 3) -> Tensor:
    """Return a first convolution's weight for images of `in_chans` channels.

    The response to an image that repeats the weights' channels stays what it was: one channel takes
    the sum over the channels, more channels take the weights in turn, scaled by ``channels /
    in_chans``.

    Args:
        weight: (out, n, height, width), n a multiple of `channels` where a stem reshapes its input
            first (space to depth), its channels innermost.
        in_chans: channels of the images to come.
        channels: channels of the images that the weights were trained on.

    Returns:
        (out, n / channels * in_chans, height, width), of the weight's dtype.
    """
    out, n, height, width = weight.shape
    if n % channels:
        raise WeightsError(f"first convolution has {n} input channels, no multiple of the weights' {channels}")
    if in_chans == channels:
        return weight
    cells = weight.float().reshape(out, n // channels, channels, height, width)
    if in_chans == 1:
        adapted = cells.sum(dim=2)
    else:
        adapted = cells.repeat(1, 1, math.ceil(in_chans / channels), 1, 1)[:, :, :in_chans]
        adapted = (adapted * (channels / in_chans)).reshape(out, -1, height, width)
    return adapted.to(weight.dtype)


def adapt_first_convs(state_dict: StateDict, cfg: PretrainedCfg, shapes: Mapping[str, torch.Size]) -> StateDict:
    """Adapt the config's first convolutions to the input channels of the network's `shapes`."""
    adapted = dict(state_dict)
    for name in names_of(cfg.first_conv):
        key = f"{name}.weight"
        if key not in shapes or key not in state_dict:
            continue
        weight, shape = state_dict[key], shapes[key]
        channels = cfg.input_size[0]
        if not (weight.ndim == len(shape) == 4 and weight.is_floating_point()) or weight.shape[1] == shape[1]:
            continue
        cells = weight.shape[1] // channels
        if cells and not weight.shape[1] % channels and shape[1] >= cells:
            adapted[key] = adapt_input_conv(weight, shape[1] // cells, channels)
    return adapted


def check_classes(
    state_dict: StateDict, cfg: PretrainedCfg, shapes: Mapping[str, torch.Size], source: str = "the weights"
) -> None:
    """Raise where a classifier has other classes than the config says, and the network as many.

    Nobody chose them then: to draw a fresh classifier would lose the weights' own without a word.

    Raises:
        WeightsError: with the weights' ``num_classes``.
    """
    for name in names_of(cfg.classifier):
        weight, own = state_dict.get(f"{name}.weight"), shapes.get(f"{name}.weight", ())
        if weight is None or not weight.ndim or own[:1] != (cfg.num_classes,):
            continue
        rows = weight.shape[0]
        if rows - cfg.num_classes not in (0, cfg.label_offset):
            error = WeightsError(
                f"{source} are for {rows} classes, the network for the {cfg.num_classes} of its config: "
                f"give num_classes={rows}"
            )
            error.num_classes = rows
            raise error


def adapt_classifiers(
    state_dict: StateDict, cfg: PretrainedCfg, shapes: Mapping[str, torch.Size], source: str = "the weights"
) -> tuple[StateDict, set[str]]:
    """Fit every classifier in the config to the classes of the network's `shapes`.

    Cut off the rows of a label offset. Leave out a classifier for other classes where they were
    chosen, so that the network keeps a fresh one, and one that the network does not have. One that
    the weights lack is fresh too, unless the config says that they are for as many classes.

    Returns:
        The state dict, and the network's keys that are to be drawn afresh.

    Raises:
        WeightsError: see `check_classes`.
    """
    check_classes(state_dict, cfg, shapes, source)
    adapted = dict(state_dict)
    fresh: set[str] = set()
    for name in names_of(cfg.classifier):
        keys = [key for key in (f"{name}.weight", f"{name}.bias") if key in state_dict]
        wanted = shapes.get(f"{name}.weight")
        if any(not state_dict[key].ndim for key in keys):
            continue  # which no classifier's are: it does not fit
        rows = state_dict[keys[0]].shape[0] if keys else None
        if wanted is not None and rows == wanted[0]:
            continue
        if wanted is not None and rows is None and wanted[0] == cfg.num_classes:
            continue  # which the weights should have: it is missing
        if wanted is not None and rows is not None and cfg.label_offset and rows - cfg.label_offset == wanted[0]:
            for key in keys:
                adapted[key] = state_dict[key][cfg.label_offset :]
            continue
        for key in keys:
            del adapted[key]
        fresh |= {key for key in (f"{name}.weight", f"{name}.bias") if key in shapes}
    return adapted, fresh


def names_of(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the module names in a field of a default config: none, one or several."""
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)
