"""The options of a network that a repository's ``config.json`` may set, within bounds.

Anybody can write a repository. Its options are values of JSON that a network may have; none of them
reaches the builder, the cache, a file or an address, and none makes a network that nobody could
have trained.
"""

from __future__ import annotations

import math
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zoo_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

MOST_MODULES = 100_000
"""Modules of one network; the largest published ones have some thousands."""
MOST_CLASSES = 1_000_000
_LARGEST = 1_000_000
_LARGEST_IN_A_LIST = 65_536  # counts of blocks, channels
_LONGEST_LIST = 1_000
_DEEPEST = 4
_NAME = re.compile(r"[\w.+-]{0,64}", re.ASCII)


def checked_options(model_args: Mapping[str, Any], ref: str, reserved: Collection[str]) -> dict[str, Any]:
    """The options of a repository's config, each looked at; those that are null are left out.

    Args:
        model_args: names to values, of JSON.
        ref: the repository, for messages.
        reserved: options that are the caller's alone: of the builder and of `create_model`.

    Raises:
        ConfigError: naming the first option that a repository may not set, or its value that no
            network has.
    """
    for name, value in model_args.items():
        if name in reserved or not name.isidentifier():
            raise ConfigError(
                f"{ref}: its config.json sets {name[:64]!r} in model_args, and a repository may set options of the "
                "network alone"
            )
        if not _is_sane(value):
            raise ConfigError(
                f"{ref}: its config.json sets {name!r} to {_shown(value)}, which is no option of a network: expected "
                f"numbers up to {_LARGEST:,}, short names, and lists of those (there, up to {_LARGEST_IN_A_LIST:,})"
            )
    return {name: value for name, value in model_args.items() if value is not None}


@contextmanager
def modules_limited(ref: str) -> Iterator[None]:
    """Raise `ConfigError` if this thread registers more than `MOST_MODULES` modules."""
    from torch.nn.modules.module import register_module_module_registration_hook

    here, count = threading.get_ident(), 0

    def look(*_: object) -> None:
        nonlocal count
        count += threading.get_ident() == here
        if count > MOST_MODULES:
            raise ConfigError(f"{ref}: its config.json asks for a network of more than {MOST_MODULES:,} modules")

    hook = register_module_module_registration_hook(look)
    try:
        yield
    finally:
        hook.remove()


def _is_sane(value: object, largest: int = _LARGEST, depth: int = 0) -> bool:
    match value:
        case None | bool():
            return True
        case int() | float():
            return math.isfinite(value) and abs(value) <= largest
        case str():
            return _NAME.fullmatch(value) is not None
        case list() | tuple() | dict():
            items = [*value.keys(), *value.values()] if isinstance(value, dict) else value
            return (
                depth < _DEEPEST
                and len(items) <= _LONGEST_LIST
                and all(_is_sane(item, _LARGEST_IN_A_LIST, depth + 1) for item in items)
            )
    return False


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
