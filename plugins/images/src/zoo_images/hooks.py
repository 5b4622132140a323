"""What this package adds to ``zoo``: its commands, and the chart of ``zoo list --plot``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.hooks import hookimpl

if TYPE_CHECKING:
    from zoo_core.description import Descriptions

_COMMANDS = ("features", "classify", "extract", "verify", "search")


@hookimpl
def zoo_add_commands() -> dict[str, str]:
    """Name each command and its module."""
    return {name: f"zoo_images.commands.zoo_{name}" for name in _COMMANDS}


@hookimpl
def zoo_draw_models(models: Descriptions, over: str, path: str) -> bool:
    """Draw the accuracy of models over what they cost."""
    from zoo_images.chart import save_chart

    save_chart(models, over, path)
    return True
