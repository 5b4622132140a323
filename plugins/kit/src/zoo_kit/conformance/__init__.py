"""The conformance kit: whether a plugin keeps what it promises. `docs/writing-a-plugin.md` shows its use.

Three ways to run the same checks: ``zoo check zoo-acme``; ``pytest --zoo-plugin zoo-acme``, which needs no test file;
and a test file of the plugin's own, with a class that derives from `PluginConformance`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zoo_kit.conformance.conformance import PluginConformance as PluginConformance

__all__ = ["PluginConformance"]


def __getattr__(name: str) -> object:
    """Import the class when it is used: every run of pytest imports this package, for its option."""
    if name != "PluginConformance":
        raise AttributeError(f"module 'zoo_kit.conformance' has no attribute {name!r}")
    from zoo_kit.conformance.conformance import PluginConformance

    return PluginConformance
