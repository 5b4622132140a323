"""The rules of a lab: no weights that forbid commercial use, and a history of created models.

``LAB_COMMERCIAL=1`` turns the policy on; ``LAB_HISTORY`` names the file of the history, one JSON
object a line.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.errors import WeightsError
from zoo_core.hooks import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn
    from zoo_core.discovery.lookup import FoundModel


@hookimpl
def zoo_before_create(found: FoundModel, pretrained: bool, options: dict[str, Any]) -> None:
    """Refuse pretrained weights whose licence forbids what the lab does with them."""
    from zoo_core.weights.licence import group_of

    cfg = options.get("pretrained_cfg")
    commercial = os.environ.get("LAB_COMMERCIAL") == "1"
    if pretrained and cfg is not None and commercial and group_of(cfg.license) == "non-commercial":
        raise WeightsError(
            f"{found.name}: its licence {cfg.license} forbids commercial use, which is what this lab does"
        )


@hookimpl
def zoo_after_create(found: FoundModel, pretrained: bool, model: nn.Module) -> None:
    """Write down what was created."""
    if path := os.environ.get("LAB_HISTORY"):
        parameters = sum(parameter.numel() for parameter in model.parameters())
        row = {"model": found.qualified_name, "pretrained": pretrained, "parameters": parameters}
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


@hookimpl
def zoo_add_commands() -> Mapping[str, str]:
    """``zoo history``."""
    return {"history": "zoo_lab.history"}
