"""A family, as a plugin declares it: its network, its tables, and the constructors of both."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, cast

from zoo_core.config import PretrainedCfg
from zoo_core.discovery.imports import import_object
from zoo_core.errors import OptionError
from zoo_core.names import normalize_distribution

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Family:
    """One network class and the tables of what it is published as.

    A plugin keeps one in its package's ``__init__``, and answers for its constructors with it::

        FAMILY = Family(name="resnet", package=__name__, network=f"{__name__}.model:ResNet",
                        architectures=ARCHITECTURES, pretrained=PRETRAINED, aliases=ALIASES)

        def __getattr__(name: str) -> Constructor:
            return FAMILY.constructor(name)
    """

    name: str
    package: str
    """The importable package, which is also where ``models.json`` and the files beside it lie."""
    network: str
    """``module:Class`` of the network; imported, with torch, when the first model is built."""
    architectures: Mapping[str, Any]
    """Name to configuration: a frozen dataclass, the first argument of the network."""
    pretrained: Mapping[str, PretrainedCfg]
    """``architecture.tag`` to default config; an architecture's first tag is its default. One
    without weights may stand under its bare name, to say what it is meant for."""
    aliases: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Old name to the model name that replaces it, with a deprecation warning."""
    feature_cfg: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """How feature wrappers treat the network, see `zoo_core.features.wrap.wrap_features`."""
    pretrained_filter: str | None = None
    """``module:function`` of ``(state_dict, model) -> state_dict``, which gives older files the
    network's names."""
    pruned: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Architecture to the JSON file in `package` with the shapes that it is pruned to
    (`zoo_core.building.narrow`)."""

    @cached_property
    def network_class(self) -> type[nn.Module]:
        """Import the network's class."""
        return cast("type[nn.Module]", self._load(self.network))

    def tags(self, architecture: str) -> dict[str, PretrainedCfg]:
        """Return the tags of one architecture, its default first."""
        prefix = architecture + "."
        return {name.removeprefix(prefix): cfg for name, cfg in self.pretrained.items() if name.startswith(prefix)}

    def default_cfg(self, architecture: str, tag: str | None = None) -> PretrainedCfg:
        """Return the default config of a tag, by default the first, with its names filled in."""
        tags = self.tags(architecture)
        tag = tag or next(iter(tags), None)
        cfg = tags[tag] if tag else self.pretrained.get(architecture, PretrainedCfg())
        return dataclasses.replace(cfg, architecture=architecture, tag=tag)

    def pruned_shapes(self, architecture: str) -> dict[str, list[int]] | None:
        """Return the shapes of an architecture's narrowed state dict; None if it is whole."""
        if architecture not in self.pruned:
            return None
        import json
        from importlib.resources import files

        text = files(self.package).joinpath(self.pruned[architecture]).read_text(encoding="utf-8")
        return cast("dict[str, list[int]]", json.loads(text))

    def constructor(self, architecture: str) -> Callable[..., nn.Module]:
        """Return the function that builds an architecture, such as ``resnet34(pretrained=False)``.

        Raises:
            AttributeError: for a name that is no architecture of this family; a module's
                ``__getattr__`` passes it on.
        """
        if architecture not in self.architectures:
            raise AttributeError(f"module {self.package!r} has no attribute {architecture!r}")
        return constructor_of(self._build, self.package, architecture)

    def _build(
        self,
        architecture: str,
        pretrained: bool = False,
        *,
        feature_cfg: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> nn.Module:
        from zoo_core.building.build import build_model_with_cfg

        if taken := sorted(_OF_THE_FAMILY & set(options)):
            raise OptionError(f"{architecture} has no option {taken[0]!r}: its family decides that")
        if feature_cfg is not None and not isinstance(feature_cfg, Mapping):
            raise OptionError(f"feature_cfg {feature_cfg!r}: expected a dict of options of the feature wrapper")
        if feature_cfg is not None and not options.get("features_only"):
            raise OptionError(f"{architecture}: feature_cfg needs features_only=True")
        return build_model_with_cfg(
            self.network_class,
            architecture,
            pretrained,
            default_cfg=self.default_cfg(architecture),
            model_cfg=self.architectures[architecture],
            feature_cfg={**self.feature_cfg, **(feature_cfg or {})},
            pretrained_filter_fn=self._load(self.pretrained_filter) if self.pretrained_filter else None,
            pruned=self.pruned_shapes(architecture),
            **options,
        )

    def _load(self, reference: str) -> Any:
        """Import what ``module:attribute`` names. A failure is said to be the plugin's."""
        distribution = normalize_distribution(self.package.partition(".")[0])
        return import_object(reference, distribution, f"plugin {distribution} (family {self.name!r})")


@cache
def constructor_of(build: Callable[..., nn.Module], package: str, architecture: str) -> Callable[..., nn.Module]:
    """Return ``build(architecture, ...)`` as a function of a package, named `architecture`."""

    def construct(pretrained: bool = False, **options: Any) -> nn.Module:
        return build(architecture, pretrained, **options)

    construct.__name__ = construct.__qualname__ = architecture
    construct.__module__ = package
    construct.__doc__ = f"Build {architecture}; options as `zoo_core.create_model` takes them."
    return construct


_OF_THE_FAMILY = frozenset({"model_cls", "variant", "default_cfg", "model_cfg", "pretrained_filter_fn", "pruned"})
