"""TinyNet for Zoo: depthwise networks of sixty thousand parameters and more.

Every architecture is a constructor here: ``from zoo_tinynet import tinynet_8``. Importing the
package imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core import Family

from zoo_tinynet.architectures import ARCHITECTURES
from zoo_tinynet.pretrained import ALIASES, PRETRAINED

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

__version__ = "0.2.0"

FAMILY = Family(
    name="tinynet",
    package=__name__,
    network=f"{__name__}.model:TinyNet",
    architectures=ARCHITECTURES,
    pretrained=PRETRAINED,
    aliases=ALIASES,
)


def __getattr__(name: str) -> Callable[..., nn.Module]:
    return FAMILY.constructor(name)


def __dir__() -> list[str]:
    return ["FAMILY", "__version__", *ARCHITECTURES]
