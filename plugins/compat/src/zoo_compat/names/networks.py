"""The families' networks by timm's names; a missing family's are an installed timm's."""

from __future__ import annotations

from typing import Any

from zoo_compat.facade import facade

__all__ = ["CspNet", "DenseNet", "ResNet", "Xception", "XceptionAligned"]  # noqa: F822 - by __getattr__
_NETWORKS = {
    "ResNet": "resnet",
    "DenseNet": "densenet",
    "Xception": "xception",
    "XceptionAligned": "xception_aligned",
    "CspNet": "cspnet",
}


def __getattr__(name: str) -> Any:
    """Return a network's class, or an architecture's constructor."""
    if name in _NETWORKS:
        return getattr(facade(f"timm.models.{_NETWORKS[name]}"), name)
    from zoo_core.registry import is_model, model_entrypoint

    if is_model(name):
        return model_entrypoint(name)
    raise AttributeError(name)
