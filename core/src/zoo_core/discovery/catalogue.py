"""Known plugins that may not be installed, for the hint ``pip install zoo-densenet``.

Only data, and only read when a name is unknown: nothing else in core knows a family's name.
"""

from __future__ import annotations

import json
import os
from fnmatch import fnmatchcase


def catalogue() -> dict[str, list[str]]:
    """Distribution to patterns of its architectures' names."""
    with open(os.path.join(os.path.dirname(__file__), "catalogue.json"), encoding="utf-8") as file:
        return json.load(file)


def distribution_for(architecture: str) -> str | None:
    """The known plugin whose patterns match an architecture's name, the longest pattern winning; None if none does."""
    matches = [
        (len(pattern), distribution)
        for distribution, patterns in catalogue().items()
        for pattern in patterns
        if fnmatchcase(architecture, pattern)
    ]
    return max(matches)[1] if matches else None
