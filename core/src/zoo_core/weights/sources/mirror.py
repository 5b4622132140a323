"""A mirror, as an example of a source that a third party could add: ``ZOO_MIRROR=https://mirror.example/zoo``.

A mirror has the layout of ``wget --force-directories``, which is that of Zoo's cache, too: it
serves the file of ``https://host/path`` at ``$ZOO_MIRROR/host/path``, also for the Hub's files. The
publisher serves what the mirror lacks.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from zoo_core.hooks import hookimpl
from zoo_core.weights.cache.address import key_of
from zoo_core.weights.cache.entry import Entry
from zoo_core.weights.sources import hub, url
from zoo_core.weights.transfer.request import NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.weights.transfer.request import FetchRequest


@hookimpl(tryfirst=True)
def zoo_fetch_weights(request: FetchRequest) -> Path | None:
    """Fetch the mirror's file, verified and kept as its publisher's; None if it has none."""
    mirror = os.environ.get("ZOO_MIRROR", "").rstrip("/")
    if not mirror or request.local_only:  # the other sources find what is cached
        return None
    if request.scheme in url.SCHEMES:
        urls, expected = [request.source], url.expected_of(request)
    elif request.scheme in hub.SCHEMES:
        urls, expected = [hub.url_of(request, name) for name in hub.file_names(request)], hub.expected_of(request)
    else:
        return None
    from zoo_core.weights.transfer.download import download

    for address in urls:
        key = key_of(address)
        try:
            entry, there = Entry(request.cache_dir, key), f"{mirror}/{quote(key)}"
            return download(address, entry, expected, name=request.name, progress=request.progress, mirror=there)
        except NotFoundError:
            continue
    return None
