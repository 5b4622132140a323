"""The plugin under test, with the facts that several checks ask for, each worked out once."""

from __future__ import annotations

import fnmatch
import math
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.discovery.resources import find_spec
from zoo_core.errors import PluginError, did_you_mean
from zoo_core.names import normalize_distribution
from zoo_core.registry import current_index, find_model, find_pretrained_cfg, load_constructor

from zoo_kit.conformance.exemptions import exemptions_near

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import Tensor, nn
    from zoo_core.config import PretrainedCfg
    from zoo_core.discovery.entry_points import EntryPoint
    from zoo_core.discovery.index import Plugin
    from zoo_core.discovery.lookup import FoundModel
    from zoo_core.family import Family

SMALL = 2_000_000
"""Networks of up to so many parameters are built in memory and run: the sample."""
MOST = 6
"""Networks in the sample, at most; the others are seen on the meta device alone."""
LARGE = 30_000_000
"""A family without a small network adds its smallest, if it has at most so many parameters."""
SEED = 20240229


class Subject:
    """One installed distribution that offers models, hooks or both."""

    def __init__(
        self, distribution: str, *, also: tuple[str, ...] = (), exempt: Mapping[str, str] | None = None
    ) -> None:
        """Find the distribution.

        Args:
            distribution: its name, ``zoo-acme``.
            also: shell patterns of architectures to build and run beside the sample.
            exempt: checks that it need not pass, with the reason of each; those of its
                ``pyproject.toml`` count too.

        Raises:
            PluginError: if no such plugin is installed, or a variable keeps it out.
        """
        self.distribution = normalize_distribution(distribution)
        self.also = also
        index = current_index()
        self.plugins: list[Plugin] = [p for p in index.plugins if p.distribution == self.distribution]
        self.hooks: list[EntryPoint] = [entry for entry in index.hooks if entry.distribution == self.distribution]
        if not self.plugins and not self.hooks:
            for entry, variable in index.disabled:
                if entry.distribution == self.distribution:
                    raise PluginError(f"{self.distribution} is installed, but {variable} keeps it out")
            installed = {entry.distribution for entry in (*(p.entry_point for p in index.plugins), *index.hooks)}
            hint = did_you_mean(self.distribution, installed)
            raise PluginError(f"{self.distribution!r} is not an installed plugin{hint}")
        self.exempt: dict[str, str] = {**exemptions_near(self.folders, self.distribution), **(exempt or {})}
        self._metas: dict[str, nn.Module] = {}

    @property
    def entry_points(self) -> list[EntryPoint]:
        """The entry points that its metadata declares to Zoo."""
        return [*(plugin.entry_point for plugin in self.plugins), *self.hooks]

    @cached_property
    def packages(self) -> list[str]:
        """The top-level packages that its entry points name."""
        return list(dict.fromkeys(entry.module.partition(".")[0] for entry in self.entry_points))

    @cached_property
    def folders(self) -> list[Path]:
        """The folders of the packages; of a namespace package only the plugin's part."""
        return [
            folder for module in dict.fromkeys(entry.module for entry in self.entry_points) for folder in _own(module)
        ]

    @cached_property
    def models(self) -> dict[str, FoundModel]:
        """The architectures by name, looked up by qualified name: other plugins do not matter.

        Without those of bridges, whose networks are another library's.
        """
        own = [plugin.manifest for plugin in self.plugins if not plugin.manifest.bridge]
        names = [name for manifest in own for name in manifest.names]
        return {name: find_model(f"{self.distribution}/{name}") for name in names}

    @property
    def why_no_models(self) -> str:
        """The reason why `models` is empty, as the end of a sentence."""
        libraries = [plugin.manifest.bridge.distribution for plugin in self.plugins if plugin.manifest.bridge]
        if not libraries:
            return "it offers no models"
        return f"its networks are those of {' and '.join(libraries)}, with which its own tests compare them"

    def family(self, name: str) -> Family | None:
        """Return the `Family` that offers an architecture; None if its plugin has none."""
        from zoo_core.family import Family

        module = import_module(self.models[name].constructor.partition(":")[0])
        found = getattr(module, "FAMILY", None)
        return found if isinstance(found, Family) and name in found.architectures else None

    def cfg(self, name: str) -> PretrainedCfg:
        """Return the config of an architecture's default tag; an empty one if there is none."""
        from zoo_core.config import PretrainedCfg

        return find_pretrained_cfg(self.models[name]) or PretrainedCfg(architecture=name)

    def constructor(self, name: str) -> Callable[..., nn.Module]:
        """Import the constructor of an architecture."""
        return load_constructor(self.models[name])

    def create(self, name: str, **options: Any) -> nn.Module:
        """Create a model as a user does, from a fixed seed."""
        import torch
        from zoo_core.create import create_model

        torch.manual_seed(SEED)
        return create_model(f"{self.distribution}/{name}", **options)

    def meta(self, name: str) -> nn.Module:
        """Return an architecture on the meta device. It is built once: do not change it."""
        if name not in self._metas:
            self._metas[name] = self.create(name, device="meta").eval()
        return self._metas[name]

    def parameters(self, name: str) -> int:
        """Return the count of an architecture's parameters: as listed, or else as built."""
        listed = self.models[name].manifest.facts.get(name, {}).get("parameters")
        return listed or sum(parameter.numel() for parameter in self.meta(name).parameters())

    @cached_property
    def sample(self) -> list[str]:
        """The architectures that are built in memory and run, smallest first."""
        by_size = sorted(self.models, key=self.parameters)
        chosen = [name for name in by_size if self.parameters(name) <= SMALL][:MOST]
        families = {self.models[name].family for name in chosen}
        for name in by_size:
            wanted = any(fnmatch.fnmatchcase(name, pattern) for pattern in self.also)
            family = self.models[name].family
            if wanted or (family not in families and self.parameters(name) <= LARGE):
                chosen.append(name)
                families.add(family)
        return sorted(set(chosen or by_size[:1]), key=self.parameters)

    @cached_property
    def smallest(self) -> list[str]:
        """The smallest architecture of each family in the sample."""
        return list({self.models[name].family: name for name in reversed(self.sample)}.values())

    def image_size(self, name: str) -> tuple[int, int]:
        """Return height and width of images for an architecture, small ones if it takes any."""
        cfg = self.cfg(name)
        if cfg.fixed_input_size:
            return cfg.input_size[1], cfg.input_size[2]
        least = self.multiple(name, max((64, *(cfg.min_input_size or ())[1:])))
        return least, least

    def multiple(self, name: str, pixels: int) -> int:
        """Return the least multiple of an architecture's largest reduction from `pixels` on."""
        table = getattr(self.meta(name), "feature_info", None)
        unit = max((row.get("reduction", 1) for row in table), default=1) if isinstance(table, list) else 1
        return math.ceil(pixels / unit) * unit

    def images(self, name: str, batch: int = 2, channels: int | None = None) -> Tensor:
        """Return seeded noise, (batch, channels, height, width)."""
        import torch

        generator = torch.Generator().manual_seed(SEED)
        shape = (batch, channels or self.cfg(name).input_size[0], *self.image_size(name))
        return torch.randn(shape, generator=generator)

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Run on one thread, as networks are small, and restore torch's random state afterwards."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.random.fork_rng(devices=[]):
                yield
        finally:
            torch.set_num_threads(threads)


def _own(module: str) -> list[Path]:
    """Return the folders of the outermost package above a module that is no namespace package."""
    first, *rest = module.split(".")
    spec = find_spec(first)
    if spec is None:
        return []
    places = [Path(place) for place in spec.submodule_search_locations or ()]
    for part in rest if spec.origin is None else ():
        if any((place / "__init__.py").is_file() for place in places):
            break
        places = [place / part for place in places if (place / part).is_dir()]
    return places
