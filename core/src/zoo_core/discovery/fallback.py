"""Distributions that do not lie in a plain directory, through `importlib_metadata`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import importlib_metadata

from zoo_core.names import normalize_distribution

if TYPE_CHECKING:
    from collections.abc import Iterator

_Context: Any = importlib_metadata.DistributionFinder.Context


def distributions(finder: Any, entry: str | None = None) -> Iterator[tuple[str, str, str, bytes]]:
    """(normalised name, version, location, entry_points.txt) of what a finder knows, on one path entry or at all.

    Nothing comes of a finder or a distribution that raises: its metadata is somebody else's.
    """
    context = _Context() if entry is None else _Context(path=[entry])
    try:
        for distribution in finder.find_distributions(context):
            if row := _row(distribution):
                yield row
    except Exception:  # foreign code, and nothing of ours in it
        return


def on_path(entry: str) -> Iterator[tuple[str, str, str, bytes]]:
    """The same, of a zip or an egg on the path."""
    return distributions(importlib_metadata.MetadataPathFinder, entry)


def _row(distribution: importlib_metadata.Distribution) -> tuple[str, str, str, bytes] | None:
    try:
        text = distribution.read_text("entry_points.txt")
        if not text:
            return None
        name, version = normalize_distribution(distribution.metadata["Name"]), str(distribution.version)
    except Exception:  # foreign code, or metadata that cannot be decoded
        return None
    location = getattr(distribution, "_path", None) or f"{name} (from {type(distribution).__name__})"
    return name, version, str(location), text.encode("utf-8", "replace")
