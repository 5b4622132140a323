"""The original Xception for Zoo: ``from zoo_xception.legacy import xception``."""

from collections.abc import Callable
from typing import Any

from zoo_core import Family

from zoo_xception.legacy.architectures import ARCHITECTURES
from zoo_xception.legacy.pretrained import PRETRAINED

FAMILY = Family(
    name="legacy_xception",
    package=__name__,
    network=f"{__name__}.model:Xception",
    architectures=ARCHITECTURES,
    pretrained=PRETRAINED,
)

__all__ = ["FAMILY", *ARCHITECTURES]  # noqa: PLE0604 - names of a table, resolved by __getattr__


def __getattr__(name: str) -> Callable[..., Any]:
    return FAMILY.constructor(name)


def __dir__() -> list[str]:
    return list(__all__)
