"""The Xceptions for Zoo: the aligned ones of DeepLabv3+, and the original in `zoo_xception.legacy`.

Every architecture is a constructor here: ``from zoo_xception import xception65``. Importing this
does not import torch.
"""

from collections.abc import Callable
from typing import Any

from zoo_core import Family

from zoo_xception.architectures import ARCHITECTURES
from zoo_xception.legacy import FAMILY as LEGACY_FAMILY
from zoo_xception.pretrained import PRETRAINED

__version__ = "0.1.0"

FAMILY = Family(
    name="xception",
    package=__name__,
    network=f"{__name__}.model:XceptionAligned",
    architectures=ARCHITECTURES,
    pretrained=PRETRAINED,
)

# Names of tables, resolved by __getattr__.
__all__ = ["FAMILY", "LEGACY_FAMILY", *ARCHITECTURES, *LEGACY_FAMILY.architectures]  # noqa: PLE0604


def __getattr__(name: str) -> Callable[..., Any]:
    return (LEGACY_FAMILY if name in LEGACY_FAMILY.architectures else FAMILY).constructor(name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
