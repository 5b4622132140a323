"""Make torchvision and timm importable beside a CPU build of torch.

torchvision's wheel brings compiled operators for the torch build it was made for; beside another,
importing it fails, because two operators that it extends were never declared. No classification
model uses them, so declaring is enough. Beside the build it was made for nothing is declared: its
library would declare the operators again, which ends the process.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

FAMILIES = ("zoo_resnet", "zoo_densenet", "zoo_xception", "zoo_cspnet")
"""The packages with networks of their own; those of bridges are the peers' themselves."""

_library: torch.library.Library | None = None


def prepare() -> None:
    """Declare the two operators, once. Call it before importing torchvision or timm."""
    global _library
    if _library is not None or _compiled_operators_load():
        return
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not _is_declared(name):
            _library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def _compiled_operators_load() -> bool:
    """Load torchvision's compiled operators, as it does; return whether this torch can."""
    spec = importlib.util.find_spec("torchvision")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for library in [*Path(folder).glob("_C.so"), *Path(folder).glob("_C.pyd")]:
            try:
                torch.ops.load_library(library)
            except OSError:
                continue
            return True
    return False


def _is_declared(name: str) -> bool:
    try:
        torch._C._dispatch_find_schema_or_throw(f"torchvision::{name}", "")
    except RuntimeError:
        return False
    return True
