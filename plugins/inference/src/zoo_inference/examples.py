"""Inputs for a model that nobody gave one for."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from zoo_core.errors import OptionError


def example_of(model: nn.Module, batch: int = 1, size: tuple[int, int] | None = None) -> Tensor:
    """Return a batch of noise that the model takes, on its device and of its dtype.

    Args:
        model: of `create_model`.
        batch: how many images.
        size: height and width in pixels, instead of the default config's.

    Raises:
        OptionError: for a model that does not say what images it takes.
    """
    cfg = getattr(model, "pretrained_cfg", None)
    shape = getattr(cfg, "input_size", None)
    if shape is None:
        raise OptionError(f"{type(model).__name__} does not say what images it takes: give an example_input")
    first = next(model.parameters(), torch.empty(0))
    numbers = torch.Generator().manual_seed(0)
    images = torch.randn((batch, shape[0], *(size or shape[1:])), generator=numbers)
    return images.to(first.device, first.dtype)
