"""The families' networks by timm's names; a missing family's are an installed timm's."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_NETWORKS = {
    "ResNet": "zoo_resnet",
    "DenseNet": "zoo_densenet",
    "Xception": "zoo_xception",
    "XceptionAligned": "zoo_xception",
    "CspNet": "zoo_cspnet",
}


def __getattr__(name: str) -> Any:
    """Return a network's class, or an architecture's constructor."""
    if name in _NETWORKS:
        try:
            return getattr(import_module(_NETWORKS[name]), name)
        except ModuleNotFoundError as error:
            raise AttributeError(name) from error
    from zoo_core.registry import is_model, model_entrypoint

    if is_model(name):
        return model_entrypoint(name)
    raise AttributeError(name)
