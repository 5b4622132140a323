"""Models of the running process (a notebook, a script, a test), found as those of a plugin are."""

from __future__ import annotations

from zoo_core.discovery.entry_points import MODELS_GROUP, EntryPoint
from zoo_core.discovery.index import Plugin
from zoo_core.discovery.manifest import Manifest, check_row
from zoo_core.errors import ModelNameError, PluginError
from zoo_core.names import is_architecture, natural_sort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from zoo_core.config import PretrainedCfg

LOCAL = "local"
"""The distribution in the qualified form of a registered name: ``local/mynet``."""


class LocalPlugin(Plugin):
    """The models of `zoo_core.register_model`. They outlive a refresh."""

    __slots__ = ("constructors",)

    def __init__(self) -> None:
        entry_point = EntryPoint(LOCAL, "", MODELS_GROUP, "register_model", "", "this process")
        super().__init__(entry_point, Manifest(LOCAL, [], rows={}))
        self.constructors: dict[str, Callable[..., Any]] = {}

    def register(
        self, name: str, constructor: Callable[..., Any], family: str | None, pretrained: Mapping[str, PretrainedCfg]
    ) -> None:
        """Add a constructor, or replace it if the same cell or module runs again.

        Raises:
            ModelNameError: for a name that no architecture can have.
            PluginError: if another function was registered under the name.
        """
        if not (isinstance(name, str) and is_architecture(name)):
            raise ModelNameError(f"an architecture is named with letters, digits, '_' and '-', not {name!r}")
        target = f"{constructor.__module__}:{getattr(constructor, '__qualname__', name)}"
        row: dict[str, Any] = {"constructor": target, "tags": list(pretrained), "family": family or LOCAL}
        row["untrained"] = [tag for tag, cfg in pretrained.items() if not cfg.has_weights]
        # A function's name may hold "<locals>", which no manifest's reference does.
        check_row(name, {**row, "constructor": "any:name"}, "this process")
        rows = self.manifest.architectures
        if (taken := rows.get(name, row)["constructor"]) != target:
            raise PluginError(f"{name!r} is registered already, by {taken}; choose another name for {target}")
        self.constructors[name] = constructor
        self.manifest.configs.update({f"{name}.{tag}": cfg.to_dict() for tag, cfg in pretrained.items()})
        rows[name] = row
        self.manifest.names = natural_sort(rows)
