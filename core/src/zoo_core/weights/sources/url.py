"""Weights at a URL, in Zoo's cache, or in torch.hub's."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.errors import WeightsError
from zoo_core.hooks import hookimpl
from zoo_core.weights.cache.address import parse_url
from zoo_core.weights.cache.entry import Entry, verified
from zoo_core.weights.cache.paths import is_file, user_path
from zoo_core.weights.cache.verify import Expected, hash_in_name

if TYPE_CHECKING:
    from zoo_core.weights.transfer.request import FetchRequest

SCHEMES = ("http", "https")


@hookimpl(trylast=True)
def zoo_fetch_weights(request: FetchRequest) -> Path | None:
    """Return the file from a cache, or download it."""
    if request.scheme not in SCHEMES:
        return None
    address, expected = parse_url(request.source), expected_of(request)
    entry = Entry(request.cache_dir, address.key)
    for path in paths_of(request):
        if is_file(path) and verified(entry, path, expected, url=address.url):
            return path
    if request.local_only:
        return None
    from zoo_core.weights.transfer.download import download

    return download(request.source, entry, expected, name=request.name, progress=request.progress)


def paths_of(request: FetchRequest) -> list[Path]:
    """Return the file's path in Zoo's cache and, where its hash is known, in torch.hub's.

    In torch.hub's folder the name alone could mean another file. A refused URL has no place.
    """
    try:
        address = parse_url(request.source)
    except WeightsError:
        return []
    own, theirs = Entry(request.cache_dir, address.key).path, torch_checkpoints() / address.file_name
    return [own, theirs] if expected_of(request) and theirs.parent == torch_checkpoints() else [own]


def expected_of(request: FetchRequest) -> Expected | None:
    """Return the hash in the config, else the one in the file's name."""
    if request.sha256:
        return Expected(request.sha256, "config")
    in_name = hash_in_name(parse_url(request.source).file_name)
    return Expected(in_name, "name") if in_name else None


def torch_checkpoints() -> Path:
    """Return the folder of torch.hub's downloads, without importing torch."""
    if hub := sys.modules.get("torch.hub"):
        return Path(hub.get_dir()) / "checkpoints"
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or Path(caches) / "torch"
    return Path(os.path.expandvars(user_path(home))) / "hub" / "checkpoints"
