"""The DenseNet family for Zoo: plain, deep and anti-aliased stems, in-place activated batch norm.

Every architecture is a constructor here: ``from zoo_densenet import densenet121``. Importing the
package imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core import Family

from zoo_densenet.architectures import ALIASES, ARCHITECTURES
from zoo_densenet.pretrained import PRETRAINED

if TYPE_CHECKING:
    from collections.abc import Callable

__version__ = "0.1.0"

FAMILY = Family(
    name="densenet",
    package=__name__,
    network=f"{__name__}.model:DenseNet",
    architectures=ARCHITECTURES,
    pretrained=PRETRAINED,
    aliases=ALIASES,
    pretrained_filter=f"{__name__}.model:filter_torchvision",
)

__all__ = ["FAMILY", *ARCHITECTURES]  # noqa: PLE0604 - names of a table, resolved by __getattr__


def __getattr__(name: str) -> Callable[..., Any]:
    return FAMILY.constructor(name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
