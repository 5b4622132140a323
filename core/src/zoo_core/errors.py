"""The errors of Zoo, by the kind of mistake. A message names the fault, the value and the remedy.

The registry imports this module, so `difflib` is imported only to suggest a name.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


class ZooError(Exception):
    """Base of every error that Zoo raises on purpose."""


class ModelNameError(ZooError, ValueError):
    """A malformed model name."""


class UnknownModelError(ZooError, LookupError):
    """An architecture or tag that no installed plugin offers."""


class AmbiguousModelError(ZooError, LookupError):
    """An architecture that two distributions claim."""


class PluginError(ZooError, RuntimeError):
    """A plugin that is broken, or made for another version of the plugin API."""


class ConfigError(ZooError, ValueError):
    """A default config, or a repository's, with an unknown field or an impossible value."""


class OptionError(ZooError, TypeError):
    """An unknown option of an architecture, or an invalid value of an option."""


class FeatureError(ZooError, ValueError):
    """An unknown feature map of a network."""


class WeightsError(ZooError, RuntimeError):
    """Weights that are missing, unreadable or unfit for the network."""

    num_classes: int | None = None
    """How many classes they are for, where that is why they do not fit."""


class ImageError(ZooError, ValueError):
    """A file that is not an image."""


class MissingExtraError(ZooError, ImportError):
    """An optional dependency that is not installed."""


def nearest(word: str, candidates: Iterable[str], count: int = 3) -> list[str]:
    """The candidates most like `word`, best first."""
    from difflib import get_close_matches

    return get_close_matches(word, list(candidates), n=count, cutoff=0.6)


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """The end of an error's message, ``. Did you mean 'x' or 'y'?``; empty if none is near."""
    names = [repr(name) for name in nearest(word, candidates)]
    if not names:
        return ""
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
    return f". Did you mean {listed}?"


def said(error: BaseException) -> str:
    """Return the type and the message of an error of foreign code, as it says them if it can."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # a plugin's own class may raise there
        return type(error).__name__


def look_up(what: str, name: str, table: Mapping[str, Any]) -> Any:
    """Return the entry of `table` for `name`, whose case and underscores do not count.

    Raises:
        OptionError: for a name that the table does not have: ``unknown activation 'rellu'. Did you
            mean 'relu'?``
    """
    squashed = {key.replace("_", ""): value for key, value in table.items()}
    key = name.lower().replace("_", "")
    if key not in squashed:
        raise OptionError(f"unknown {what} {name!r}{did_you_mean(name, table)}")
    return squashed[key]
