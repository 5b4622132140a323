"""Distributions outside plain directories, through `importlib_metadata`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import importlib_metadata

from zoo_core.names import normalize_distribution

if TYPE_CHECKING:
    from collections.abc import Iterator

_Context: Any = importlib_metadata.DistributionFinder.Context


def distributions(
    entry: str | None = None, finder: Any = importlib_metadata.MetadataPathFinder
) -> Iterator[tuple[str, str, str, bytes]]:
    """Yield what a finder knows, on one path entry or (None) in total; nothing if it raises.

    Yields:
        (normalised name, version, location, contents of ``entry_points.txt``).
    """
    try:
        for distribution in finder.find_distributions(_Context() if entry is None else _Context(path=[entry])):
            if row := _row(distribution):
                yield row
    except Exception:  # foreign code, with nothing of ours in it
        return


def _row(distribution: importlib_metadata.Distribution) -> tuple[str, str, str, bytes] | None:
    try:
        text = distribution.read_text("entry_points.txt")
        name, version = normalize_distribution(distribution.metadata["Name"]), str(distribution.version)
    except Exception:  # foreign code, or metadata that cannot be decoded
        return None
    location = getattr(distribution, "_path", None) or f"{name} (from {type(distribution).__name__})"
    return (name, version, str(location), text.encode("utf-8", "replace")) if text else None
