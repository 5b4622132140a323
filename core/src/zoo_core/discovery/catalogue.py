"""Known plugins that may not be installed, for the hint ``pip install zoo-densenet``.

The only part of core that knows plugins' names: data, read when a name or a command is unknown.
"""

from __future__ import annotations

import json
import os
from fnmatch import fnmatchcase
from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


@cache
def _catalogue() -> dict[str, dict[str, list[str]]]:
    with open(os.path.join(os.path.dirname(__file__), "catalogue.json"), encoding="utf-8") as file:
        return json.load(file)


def known_commands(kind: str = "commands") -> dict[str, str]:
    """The commands that known plugins add to ``zoo``, each with its distribution.

    Args:
        kind: ``"options"`` for the options of core's commands that need one: ``"list --plot"``.
    """
    return {command: name for name, commands in _catalogue()[kind].items() for command in commands}


def is_known(distribution: str) -> bool:
    """Return whether a distribution is one of the known plugins."""
    return any(distribution in plugins for plugins in _catalogue().values())


def distribution_for(architecture: str, kinds: Iterable[str] = ("models", "bridges")) -> str | None:
    """The known plugin with the longest pattern for an architecture; None if none matches.

    Args:
        architecture: its name.
        kinds: of plugins: families, ``"models"``, bridges, or both.
    """
    known = [item for kind in kinds for item in _catalogue()[kind].items()]
    matches = [(len(p), name) for name, patterns in known for p in patterns if fnmatchcase(architecture, p)]
    return max(matches)[1] if matches else None
