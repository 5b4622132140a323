"""Make torchvision and timm importable beside a CPU build of torch.

torchvision's wheel brings compiled operators for the torch build it was made for; beside another,
importing it fails, because two operators that it extends were never declared. No classification
model uses them, so declaring is enough.
"""

from __future__ import annotations

import torch

FAMILIES = ("zoo_resnet", "zoo_densenet", "zoo_xception", "zoo_cspnet")
"""The packages with networks of their own; those of bridges are the peers' themselves."""

_library: torch.library.Library | None = None


def prepare() -> None:
    """Declare the two operators, once. Call it before importing torchvision or timm."""
    global _library
    if _library is not None:
        return
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not _is_declared(name):
            _library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def _is_declared(name: str) -> bool:
    try:
        torch._C._dispatch_find_schema_or_throw(f"torchvision::{name}", "")
    except RuntimeError:
        return False
    return True
