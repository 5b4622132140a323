"""All of timm's models for Zoo: a bridge, whose networks are timm's own.

Every architecture of the installed timm is a constructor here: ``from zoo_timm import
vit_base_patch16_224``. Importing this imports neither torch nor timm.
"""

from collections.abc import Callable
from typing import Any

from zoo_core.family import constructor_of
from zoo_core.registry import is_model, plugins

__version__ = "0.1.0"

DISTRIBUTION = "zoo-timm"


def __getattr__(name: str) -> Callable[..., Any]:
    if name.startswith("_") or not is_model(f"{DISTRIBUTION}/{name}"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from zoo_timm.construct import build

    return constructor_of(build, __name__, name)


def __dir__() -> list[str]:
    return ["__version__", *_names()]


def _names() -> list[str]:
    bridges = [plugin for plugin in plugins() if plugin.distribution == DISTRIBUTION]
    return [name for plugin in bridges for name in plugin.manifest.names]
