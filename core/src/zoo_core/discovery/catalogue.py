"""Known plugins that may not be installed, for the hint ``pip install zoo-densenet``.

Only data, and only read when a name is unknown: nothing else in core knows a plugin's name.
"""

from __future__ import annotations

import json
import os
from fnmatch import fnmatchcase
from functools import cache


@cache
def _catalogue() -> dict[str, dict[str, list[str]]]:
    with open(os.path.join(os.path.dirname(__file__), "catalogue.json"), encoding="utf-8") as file:
        return json.load(file)


def is_known(distribution: str) -> bool:
    """Whether a distribution of this name is one of the known plugins."""
    return any(distribution in plugins for plugins in _catalogue().values())


def distribution_for(architecture: str) -> str | None:
    """The known plugin whose patterns match an architecture's name, the longest pattern winning; None if none does."""
    matches = [
        (len(pattern), distribution)
        for distribution, patterns in _catalogue()["models"].items()
        for pattern in patterns
        if fnmatchcase(architecture, pattern)
    ]
    return max(matches)[1] if matches else None


def distribution_of_command(command: str) -> str | None:
    """The known plugin that adds a command to ``zoo``; None if none does."""
    return next((name for name, commands in _catalogue()["commands"].items() if command in commands), None)
