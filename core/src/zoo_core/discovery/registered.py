"""Models of the running process: a notebook, a script, a test. They list and resolve as a plugin's do."""

from __future__ import annotations

from zoo_core.discovery.entry_points import MODELS_GROUP, EntryPoint
from zoo_core.discovery.index import Plugin
from zoo_core.discovery.manifest import Manifest, check_row
from zoo_core.discovery.natural_order import natural_sort
from zoo_core.errors import ModelNameError, PluginError
from zoo_core.names import parse_model_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from zoo_core.config import PretrainedCfg

LOCAL = "local"
"""Stands for the distribution in the qualified form of a registered name: ``local/mynet``."""


class LocalPlugin(Plugin):
    """What `zoo_core.register_model` registered. Outlives a refresh."""

    __slots__ = ("constructors", "registered")

    def __init__(self) -> None:
        where = EntryPoint(LOCAL, "", MODELS_GROUP, "register_model", "", "this process")
        self.registered = Manifest(LOCAL, [], rows={})
        super().__init__(where, self.registered)
        self.constructors: dict[str, Callable[..., Any]] = {}

    def register(
        self, name: str, constructor: Callable[..., Any], family: str | None, pretrained: Mapping[str, PretrainedCfg]
    ) -> None:
        """Add a constructor. Running the same cell or module again replaces it.

        Raises:
            ModelNameError: for a name that no architecture can have.
            PluginError: when another function was registered under the name.
        """
        if parse_model_name(name).architecture != name:
            raise ModelNameError(f"an architecture is named with letters, digits, '_' and '-', not {name!r}")
        target = f"{constructor.__module__}:{getattr(constructor, '__qualname__', name)}"
        row: dict[str, Any] = {"constructor": target, "tags": list(pretrained), "family": family or LOCAL}
        row["untrained"] = [tag for tag, cfg in pretrained.items() if not cfg.has_weights]
        check_row(name, {**row, "constructor": "any:name"}, "this process")
        old = self.registered.architectures.get(name)
        if old is not None and old["constructor"] != target:
            raise PluginError(
                f"{name!r} is registered already, by {old['constructor']}; choose another name for {target}"
            )
        self.constructors[name] = constructor
        self.registered.configs.update({f"{name}.{tag}": cfg.to_dict() for tag, cfg in pretrained.items()})
        self.registered.architectures[name] = row
        if old is None:
            self.registered.names = natural_sort([*self.registered.names, name])
