"""Cross stage partial networks and Darknets for Zoo.

Every architecture is a constructor here: ``from zoo_cspnet import cspdarknet53``. Importing this
does not import torch.
"""

from collections.abc import Callable
from typing import Any

from zoo_core import Family

from zoo_cspnet.architectures import ARCHITECTURES
from zoo_cspnet.pretrained import PRETRAINED

__version__ = "0.1.0"

FAMILY = Family(
    name="cspnet",
    package=__name__,
    network=f"{__name__}.model:CspNet",
    architectures=ARCHITECTURES,
    pretrained=PRETRAINED,
)

__all__ = ["FAMILY", *ARCHITECTURES]  # noqa: PLE0604 - names of a table, resolved by __getattr__


def __getattr__(name: str) -> Callable[..., Any]:
    return FAMILY.constructor(name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
