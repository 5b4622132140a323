"""Facts of a default config that follow from the network, so that no table states them."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from zoo_core.config import PretrainedCfg


def completed(net: nn.Module, cfg: PretrainedCfg) -> PretrainedCfg:
    """Fill in the ``first_conv``, ``classifier`` and ``pool_size`` that `cfg` does not state.

    The size of a network that is made for another fixed image size, its ``img_size``, replaces that
    of `cfg`. Walks over the modules' names and runs nothing, so that it works on the meta device.
    """
    fields: dict[str, Any] = {}
    if cfg.fixed_input_size and isinstance(size := getattr(net, "img_size", None), tuple):
        cfg = dataclasses.replace(cfg, input_size=(cfg.input_size[0], *size))
    if cfg.first_conv is None and (name := find_first_conv(net)):
        fields["first_conv"] = name
    if cfg.classifier is None and (name := find_classifier(net)):
        fields["classifier"] = name
    if cfg.pool_size is None and (maps := getattr(net, "feature_info", None)):
        reduction = maps[-1]["reduction"]
        fields["pool_size"] = tuple(math.ceil(size / reduction) for size in cfg.input_size[1:])
    return dataclasses.replace(cfg, **fields) if fields else cfg


def find_first_conv(net: nn.Module) -> str | None:
    """Return the name of the first convolution in module order, which sees the images."""
    return next((name for name, module in net.named_modules() if isinstance(module, nn.Conv2d)), None)


def find_classifier(net: nn.Module) -> str | None:
    """Return the name of the classifier, or of what stands in its place without classes."""
    if not callable(get := getattr(net, "get_classifier", None)):
        return None
    classifier = get()
    return next((name for name, module in net.named_modules() if module is classifier), None)
