"""The commands that this package adds to ``zoo``."""

from __future__ import annotations

from zoo_core.hooks import hookimpl

_COMMANDS = ("features", "classify", "extract", "verify", "search")


@hookimpl
def zoo_add_commands() -> dict[str, str]:
    """Name each command and its module."""
    return {name: f"zoo_images.commands.zoo_{name}" for name in _COMMANDS}
