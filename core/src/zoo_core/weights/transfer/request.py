"""The request to a source of weights, and its ways to fail."""

from __future__ import annotations

import dataclasses
import os
import re
from typing import TYPE_CHECKING

from zoo_core.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

# Two letters or more, so that a Windows drive is no scheme.
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE)


def split_source(source: str) -> tuple[str, str]:
    """Split a source into its scheme (in lower case, empty for a plain path) and the rest."""
    match = _SCHEME.match(source)
    return (match[1].lower(), source[match.end() :]) if match else ("", source)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FetchRequest:
    """One possible source of a model's weights. The argument of the hook ``zoo_fetch_weights``."""

    source: str
    """``package:dist_package/path``, ``file:path``, a plain path, a URL, or
    ``hf-hub:org/repo[@revision]``."""
    cache_dir: Path
    """Zoo's cache folder."""
    name: str = "the model"
    """The model's name, for messages."""
    filename: str | None = None
    """The file inside a Hub repository; None for the usual names."""
    sha256: str | None = None
    """SHA-256 that the file must have, in hex: whole, or its first characters."""
    hub_cache: Path | None = None
    """The cache folder of the Hub's files; None for the Hub client's own."""
    progress: bool = True
    local_only: bool = False
    """Look on disk only, without opening a socket; return None for a file that is not there."""

    @property
    def scheme(self) -> str:
        """The source's scheme in lower case; empty for a plain path."""
        return split_source(self.source)[0]

    @property
    def location(self) -> str:
        """The source without its scheme."""
        return split_source(self.source)[1]


class UnavailableError(WeightsError):
    """The source cannot be reached or lacks the file; the next source may have it."""


class NotFoundError(UnavailableError):
    """The source answers, and lacks the file."""


def offline_variable() -> str | None:
    """Return the environment variable that forbids to open a socket, if one is set."""
    names = ("ZOO_OFFLINE", "HF_HUB_OFFLINE")
    return next((name for name in names if os.environ.get(name, "").lower() in ("1", "true", "yes", "on")), None)
