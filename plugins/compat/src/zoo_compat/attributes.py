"""Attributes that timm's networks carry, and that its clients read."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from zoo_core.network.infer import find_first_conv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn


def add_attributes(model: nn.Module, options: Mapping[str, Any]) -> nn.Module:
    """Give a model ``in_chans``, ``drop_rate``, ``grad_checkpointing`` where it has them not."""
    wanted: dict[str, Any] = {"drop_rate": options.get("drop_rate") or 0.0, "grad_checkpointing": False}
    if (first := find_first_conv(model)) is not None:
        wanted["in_chans"] = model.get_submodule(first).in_channels
    if options.get("features_only"):
        wanted |= {"return_layers": _return_layers(model), "output_fmt": _output_fmt()}
    for name, value in wanted.items():
        if value is not None and not hasattr(model, name):
            with suppress(AttributeError):  # a property without a setter
                setattr(model, name, value)
    return model


def _return_layers(model: nn.Module) -> dict[str, str] | None:
    """Map the modules that yield an extractor's maps to the maps' names, as timm does."""
    info: Any = getattr(model, "feature_info", None)
    if not callable(getattr(info, "module_name", None)):
        return None
    return {name: str(index) for name, index in zip(info.module_name(), info.out_indices, strict=True)}


def _output_fmt() -> Any:
    from zoo_compat.names.layers import Format

    return Format.NCHW
