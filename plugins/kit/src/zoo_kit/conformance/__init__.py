"""The conformance kit: whether a plugin keeps what it promises. `docs/writing-a-plugin.md` shows its use.

Three ways to run the same checks: ``zoo check zoo-acme``; ``pytest --zoo-plugin zoo-acme``, which needs no test file;
and a test file of the plugin's own, with a class that derives from `PluginConformance`. `ProgramConformance` tests the
programs made of more networks.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zoo_kit.conformance.conformance import PluginConformance as PluginConformance
    from zoo_kit.conformance.program_conformance import ProgramConformance as ProgramConformance

__all__ = ["PluginConformance", "ProgramConformance"]


def __getattr__(name: str) -> object:
    """Import a class when it is used: every run of pytest imports this package, for its option."""
    if name not in __all__:
        raise AttributeError(f"module 'zoo_kit.conformance' has no attribute {name!r}")
    from zoo_kit.conformance import conformance, program_conformance

    return getattr(conformance if name == "PluginConformance" else program_conformance, name)
