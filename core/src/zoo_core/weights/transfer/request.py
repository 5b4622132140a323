"""What a source of weights is asked."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from zoo_core.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

# Two letters or more, so that a Windows drive is no scheme.
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE)


def split_source(source: str) -> tuple[str, str]:
    """The scheme of a source, in lower case and empty for a plain path, and what follows it."""
    match = _SCHEME.match(source)
    return (match[1].lower(), source[match.end() :]) if match else ("", source)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FetchRequest:
    """One place where a model's weights may be. The argument of the hook ``zoo_fetch_weights``."""

    source: str
    """``package:dist_package/path``, ``file:path``, a plain path, a URL, or ``hf-hub:org/repo[@revision]``."""
    cache_dir: Path
    """Zoo's cache, see `zoo_core.weights.transfer.cache`."""
    name: str = "the model"
    """The model's name, for messages."""
    filename: str | None = None
    """The file inside a Hub repository; None for the usual names."""
    sha256: str | None = None
    """SHA-256 that the file must have, in hex: whole, or its first characters."""
    hub_cache: Path | None = None
    """Where the Hub's files are cached; None for the Hub client's own folder."""
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
    """A source that cannot be reached, or does not have the file: the next one may."""


class NotFoundError(UnavailableError):
    """A source that answers, and does not have the file."""
