"""What the parts of a new plugin are called, all from one name."""

from __future__ import annotations

import dataclasses
import keyword
from typing import TYPE_CHECKING

from zoo_core.errors import OptionError
from zoo_core.names import is_architecture, normalize_distribution

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOMS = ("architectures", "config", "model", "original", "pretrained")
"""Modules of a plugin's package, which no architecture can be named after: the package could not have both."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Names:
    """The names in a plugin."""

    distribution: str
    """``zoo-acme-net``."""
    package: str
    """``zoo_acme_net``."""
    family: str
    """``acme_net``."""
    network: str
    """The class: ``AcmeNet``."""
    architectures: tuple[str, ...]


def names_of(name: str, architectures: Sequence[str] = ()) -> Names:
    """Derive every name from ``acme-net`` or ``zoo-acme-net``.

    Raises:
        OptionError: for what cannot be such a name.
    """
    distribution = normalize_distribution(name) if is_architecture(name) else ""
    distribution = distribution if distribution.startswith("zoo-") else f"zoo-{distribution}"
    words = [word for word in distribution.split("-")[1:] if word]
    family = "_".join(words)
    if not family.isidentifier() or keyword.iskeyword(family) or family == "core":
        raise OptionError(f"{name!r} cannot name a plugin: letters, digits and '-', a letter first, such as 'acme'")
    network = "".join(word[:1].upper() + word[1:] for word in words)
    network += "" if network.lower().endswith("net") else "Net"
    chosen = tuple(dict.fromkeys(architectures)) or (f"{family}_tiny",)
    for architecture in chosen:
        if not architecture.isidentifier() or keyword.iskeyword(architecture) or not is_architecture(architecture):
            raise OptionError(
                f"{architecture!r} cannot name an architecture: it must be a Python name, such as 'acme_s'"
            )
        if architecture in ROOMS or architecture.startswith("_"):
            raise OptionError(f"an architecture cannot be named {architecture!r}: the plugin's package has that name")
    package = distribution.replace("-", "_")
    return Names(distribution=distribution, package=package, family=family, network=network, architectures=chosen)
