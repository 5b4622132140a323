"""The ResNet family for Zoo: ResNet, ResNeXt, Wide ResNet, ResNet-D, ResNet-RS and others.

Every architecture is a constructor here: ``from zoo_resnet import resnet34``. Importing the package
imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core import Family

from zoo_resnet.aliases import ALIASES
from zoo_resnet.architectures import ARCHITECTURES, PRUNED
from zoo_resnet.pretrained import PRETRAINED

if TYPE_CHECKING:
    from collections.abc import Callable

__version__ = "0.1.0"

FAMILY = Family(
    name="resnet",
    package=__name__,
    network=f"{__name__}.model:ResNet",
    architectures=ARCHITECTURES,
    pretrained=PRETRAINED,
    aliases=ALIASES,
    pruned=PRUNED,
)

__all__ = ["FAMILY", *ARCHITECTURES]  # noqa: PLE0604 - names of a table, resolved by __getattr__


def __getattr__(name: str) -> Callable[..., Any]:
    return FAMILY.constructor(name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
