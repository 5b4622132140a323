"""A mirror, as an example of a source that a third party could add: ``ZOO_MIRROR=https://mirror.example/zoo``.

A mirror has the layout of ``wget --force-directories``, and of Zoo's own cache: what is at ``https://host/path`` is at
``$ZOO_MIRROR/host/path``, the Hub's files included. What it does not have is fetched from where it is published.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from zoo_core.hooks import hookimpl
from zoo_core.weights.address import key_of, split_reference
from zoo_core.weights.sources import hub, url
from zoo_core.weights.transfer.cache import Entry
from zoo_core.weights.transfer.request import NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.weights.transfer.request import FetchRequest


@hookimpl(tryfirst=True)
def zoo_fetch_weights(request: FetchRequest) -> Path | None:
    """The mirror's file, kept and verified as if it came from its publisher; None where the mirror has none."""
    mirror = os.environ.get("ZOO_MIRROR", "").rstrip("/")
    if not mirror or request.local_only:  # what is cached, the sources themselves find
        return None
    if request.scheme in url.SCHEMES:
        urls, expected = [request.source], url.expected_of(request)
    elif request.scheme == hub.SCHEME:
        reference = split_reference(request.location)
        urls, expected = [hub.file_url(*reference, name) for name in hub.file_names(request)], hub.expected_of(request)
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
