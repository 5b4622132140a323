"""The names of the parts of a new plugin, all derived from one."""

from __future__ import annotations

import dataclasses
import keyword
from typing import TYPE_CHECKING

from zoo_core.discovery.catalogue import distribution_for, is_known
from zoo_core.errors import OptionError
from zoo_core.names import is_architecture, normalize_distribution
from zoo_core.registry import current_index

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST = 100
ROOMS = ("architectures", "config", "model", "original", "pretrained")
"""Modules of a plugin's package, whose names no architecture can have."""


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
        OptionError: if the name cannot be one.
    """
    distribution = normalize_distribution(name)
    distribution = distribution if distribution.startswith("zoo-") else f"zoo-{distribution}"
    words = [word for word in distribution.split("-")[1:] if word]
    family = "_".join(words)
    if reason := _why_not(name, family):
        raise OptionError(f"{name!r} cannot name a plugin: {reason}; choose one such as 'acme'")
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


def _why_not(name: str, family: str) -> str:
    """Return the reason why a plugin cannot have this name; empty if it can."""
    strange = [
        character for character in name if not (character.isascii() and (character.isalnum() or character in "-_."))
    ]
    if strange:
        return f"{strange[0]!r} is neither a letter of ASCII, a digit nor '-'"
    if not family:
        return "it has no letter"
    if family[0].isdigit():
        return "it begins with a digit"
    if len(family) > _LONGEST:
        return f"it has more than {_LONGEST} characters"
    if keyword.iskeyword(family):
        return "it is a word of Python"
    return "zoo-core is Zoo itself" if family == "core" else ""


def refuse_taken(names: Names) -> None:
    """Refuse names of other plugins, as the new plugin would replace the other or hide its models.

    Raises:
        OptionError: with the remedy.
    """
    index = current_index()
    if is_known(names.distribution):
        other = names.distribution.replace("zoo-", "my-", 1)
        raise OptionError(f"{names.distribution} is a plugin of others: choose another name, such as {other!r}")
    if names.distribution in {entry.distribution for entry in (*index.scan.entry_points, *index.hooks)}:
        raise OptionError(
            f"{names.distribution} is installed already, and the new one would replace it: choose another name, or "
            f"uninstall it first (pip uninstall {names.distribution})"
        )
    for architecture in names.architectures:
        if others := {plugin.distribution for plugin in index.offering(architecture)}:
            raise OptionError(
                f"{architecture!r} is offered by {min(others)} already: choose another with --architecture"
            )


def warnings_of(names: Names) -> list[str]:
    """Return warnings for architectures that other known families may offer; bridges yield."""
    return [
        f"{architecture} may be a name of {other} too: where both are installed, only "
        f"{names.distribution}/{architecture} means yours"
        for architecture in names.architectures
        if (other := distribution_for(architecture, ["models"]))
    ]
