"""What can go wrong, by whose mistake. Every message says what was wrong, the value, and the remedy.

Lean on purpose: the registry imports this module, and `difflib` is imported only once something is wrong.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


class ZooError(Exception):
    """Base of every error that Zoo raises on purpose."""


class ModelNameError(ZooError, ValueError):
    """A model name that cannot be parsed."""


class UnknownModelError(ZooError, LookupError):
    """No installed plugin offers the architecture or the tag."""


class AmbiguousModelError(ZooError, LookupError):
    """Two distributions claim the same architecture."""


class PluginError(ZooError, RuntimeError):
    """A plugin cannot be used: it is broken, or was made for another version of the plugin API."""


class ConfigError(ZooError, ValueError):
    """A default config, or a repository's, with a field that does not exist or a value that cannot be."""


class OptionError(ZooError, TypeError):
    """An option that the architecture does not have, or a value that it does not take."""


class FeatureError(ZooError, ValueError):
    """A feature map that the network does not have."""


class WeightsError(ZooError, RuntimeError):
    """Weights that do not exist, cannot be read, or do not fit."""


class ImageError(ZooError, ValueError):
    """A file that is no image."""


class MissingExtraError(ZooError, ImportError):
    """Something that needs an optional dependency which is not installed."""


def nearest(word: str, candidates: Iterable[str], count: int = 3) -> list[str]:
    """The candidates most like `word`, best first."""
    from difflib import get_close_matches

    return get_close_matches(word, list(candidates), n=count, cutoff=0.6)


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """`` Did you mean 'x' or 'y'?``, to end an error's message with, or nothing when none is near."""
    names = [repr(name) for name in nearest(word, candidates)]
    if not names:
        return ""
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
    return f". Did you mean {listed}?"


def look_up(what: str, name: str, table: Mapping[str, Any]) -> Any:
    """Return the entry of `table` for `name`, whose case and underscores do not count.

    Raises:
        OptionError: for a name that the table does not have: ``unknown activation 'rellu'. Did you mean 'relu'?``
    """
    squashed = {key.replace("_", ""): value for key, value in table.items()}
    key = name.lower().replace("_", "")
    if key not in squashed:
        raise OptionError(f"unknown {what} {name!r}{did_you_mean(name, table)}")
    return squashed[key]
