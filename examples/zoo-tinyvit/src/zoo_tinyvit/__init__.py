"""TinyVit for Zoo: vision transformers of a few hundred thousand parameters.

Every architecture is a constructor here: ``from zoo_tinyvit import tinyvit_48``. Importing the
package imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core import Family

from zoo_tinyvit.architectures import ARCHITECTURES
from zoo_tinyvit.pretrained import PRETRAINED

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

__version__ = "0.1.0"

FAMILY = Family(
    name="tinyvit",
    package=__name__,
    network=f"{__name__}.model:TinyVit",
    architectures=ARCHITECTURES,
    pretrained=PRETRAINED,
    pretrained_filter=f"{__name__}.positions:fit_positions",
)


def __getattr__(name: str) -> Callable[..., nn.Module]:
    return FAMILY.constructor(name)


def __dir__() -> list[str]:
    return ["FAMILY", "__version__", *ARCHITECTURES]
