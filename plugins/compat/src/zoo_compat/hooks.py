"""The command that this package adds to ``zoo``."""

from __future__ import annotations

from zoo_core.hooks import hookimpl


@hookimpl
def zoo_add_commands() -> dict[str, str]:
    """Name the command and its module."""
    return {"migrate": "zoo_compat.commands.zoo_migrate"}
