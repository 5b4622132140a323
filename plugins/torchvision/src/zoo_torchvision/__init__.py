"""The classifiers of torchvision for Zoo: a bridge, whose networks are torchvision's own.

Every classifier of torchvision is a constructor here: ``from zoo_torchvision import
vit_b_16``. Importing this imports neither torch nor torchvision.
"""

from collections.abc import Callable
from typing import Any

from zoo_core.family import constructor_of
from zoo_core.registry import is_model, plugins

__version__ = "0.1.0"

DISTRIBUTION = "zoo-torchvision"


def __getattr__(name: str) -> Callable[..., Any]:
    if name.startswith("_") or not is_model(f"{DISTRIBUTION}/{name}"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from zoo_torchvision.construct import build

    return constructor_of(build, __name__, name)


def __dir__() -> list[str]:
    return ["__version__", *_names()]


def _names() -> list[str]:
    bridges = [plugin for plugin in plugins() if plugin.distribution == DISTRIBUTION]
    return [name for plugin in bridges for name in plugin.manifest.names]
