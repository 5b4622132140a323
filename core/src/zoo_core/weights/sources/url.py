"""Weights at a URL, in Zoo's cache, or in torch.hub's."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.errors import WeightsError
from zoo_core.hooks import hookimpl
from zoo_core.weights.address import parse_url
from zoo_core.weights.paths import is_file
from zoo_core.weights.transfer.cache import Entry, verified
from zoo_core.weights.transfer.verify import Expected, hash_in_name

if TYPE_CHECKING:
    from zoo_core.weights.transfer.request import FetchRequest

SCHEMES = ("http", "https")


@hookimpl(trylast=True)
def zoo_fetch_weights(request: FetchRequest) -> Path | None:
    """The file from a cache, else downloaded."""
    if request.scheme not in SCHEMES:
        return None
    address, entry, expected = parse_url(request.source), entry_of(request), expected_of(request)
    for path in places(request):
        if is_file(path) and verified(entry, path, expected, url=address.url):
            return path
    if request.local_only:
        return None
    from zoo_core.weights.transfer.download import download

    return download(request.source, entry, expected, name=request.name, progress=request.progress)


def places(request: FetchRequest) -> list[Path]:
    """Zoo's cache, and torch.hub's for a file whose hash is known: there, the name alone could mean another file.

    Nowhere for another scheme, or a URL that is refused.
    """
    if request.scheme not in SCHEMES:
        return []
    try:
        own, name = entry_of(request).path, parse_url(request.source).file_name
    except WeightsError:
        return []
    in_hub = torch_checkpoints() / name
    return [own, in_hub] if expected_of(request) and in_hub.parent == torch_checkpoints() else [own]


def entry_of(request: FetchRequest) -> Entry:
    """The URL's place in Zoo's cache."""
    return Entry(request.cache_dir, parse_url(request.source).key)


def expected_of(request: FetchRequest) -> Expected | None:
    """The hash that the config names, else the one in the file's name."""
    if request.sha256:
        return Expected(request.sha256, "config")
    in_name = hash_in_name(parse_url(request.source).file_name)
    return Expected(in_name, "name") if in_name else None


def torch_checkpoints() -> Path:
    """The folder where torch.hub keeps what it downloads; torch itself is not imported to learn it."""
    if hub := sys.modules.get("torch.hub"):
        return Path(hub.get_dir()) / "checkpoints"
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or Path(caches) / "torch"
    return Path(os.path.expandvars(Path(home).expanduser())) / "hub" / "checkpoints"
