"""Weights at a URL, in Zoo's cache, or in torch.hub's."""

from __future__ import annotations

import os
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from zoo_core.hooks import hookimpl
from zoo_core.weights.cache import Entry, key_of, verified
from zoo_core.weights.verify import Expected, hash_in_name

if TYPE_CHECKING:
    from zoo_core.weights.request import FetchRequest

SCHEMES = ("http", "https")


@hookimpl(trylast=True)
def zoo_fetch_weights(request: FetchRequest) -> Path | None:
    """The file from a cache, else downloaded."""
    if request.scheme not in SCHEMES:
        return None
    entry, expected = entry_of(request), expected_of(request)
    for path in places(request):
        if path.is_file() and verified(entry, path, expected):
            return path
    if request.local_only:
        return None
    from zoo_core.weights.download import download

    return download(request.source, entry, expected, name=request.name, progress=request.progress)


def places(request: FetchRequest) -> list[Path]:
    """Zoo's cache, and torch.hub's for a file whose hash is known: there, the name alone could mean another file."""
    if request.scheme not in SCHEMES:
        return []
    own = entry_of(request).path
    return [own, torch_checkpoints() / _file_name(request.source)] if expected_of(request) else [own]


def entry_of(request: FetchRequest) -> Entry:
    """The URL's place in Zoo's cache."""
    return Entry(request.cache_dir, key_of(request.source))


def expected_of(request: FetchRequest) -> Expected | None:
    """The hash that the config names, else the one in the file's name."""
    if request.sha256:
        return Expected(request.sha256, "config")
    in_name = hash_in_name(_file_name(request.source))
    return Expected(in_name, "name") if in_name else None


def torch_checkpoints() -> Path:
    """The folder where torch.hub keeps what it downloads; torch itself is not imported to learn it."""
    if hub := sys.modules.get("torch.hub"):
        return Path(hub.get_dir()) / "checkpoints"
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or Path(caches) / "torch"
    return Path(os.path.expandvars(Path(home).expanduser())) / "hub" / "checkpoints"


def _file_name(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).name
