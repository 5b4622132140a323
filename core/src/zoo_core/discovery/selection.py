"""The settings ``ZOO_PLUGINS`` (use only these plugins) and ``ZOO_DISABLE_PLUGINS`` (not these)."""

from __future__ import annotations

import os

from zoo_core.names import normalize_distribution

ALLOW = "ZOO_PLUGINS"
DENY = "ZOO_DISABLE_PLUGINS"


class Selection:
    """Both settings: distributions separated by commas or spaces, or ``*``; no effect if empty."""

    __slots__ = ("allowed", "denied")

    def __init__(self) -> None:
        self.allowed = _names(ALLOW)
        self.denied = _names(DENY)

    def excludes(self, distribution: str) -> str | None:
        """The variable that keeps a distribution out, or None."""
        if self.denied and not self.denied.isdisjoint((distribution, "*")):
            return DENY
        if self.allowed and self.allowed.isdisjoint((distribution, "*")):
            return ALLOW
        return None


def _names(variable: str) -> set[str]:
    words = os.environ.get(variable, "").replace(",", " ").split()
    return {word if word == "*" else normalize_distribution(word) for word in words}
