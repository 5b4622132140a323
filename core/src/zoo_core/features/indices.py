"""The one reading of ``out_indices``, for every wrapper and network."""

from __future__ import annotations

from collections.abc import Sequence

from zoo_core.errors import FeatureError

Indices = int | Sequence[int] | None
"""Wanted maps: indices, negative ones from the end; an int n for the last n; None for all."""


def feature_indices(indices: Indices, count: int) -> list[int]:
    """Return the non-negative indices of the wanted maps, in the order asked for.

    Args:
        indices: see `Indices`.
        count: how many feature maps the network has.

    Raises:
        FeatureError: for an index out of range, one given twice, none at all, or something that is
            no index.
    """
    valid = f"this network has {count} feature maps: indices {-count} to {count - 1}"
    if indices is None:
        return list(range(count))
    if isinstance(indices, bool | str) or not isinstance(indices, int | Sequence):
        raise FeatureError(f"out_indices {indices!r}: expected an int or a sequence of ints; {valid}")
    if isinstance(indices, int):
        if not 1 <= indices <= count:
            raise FeatureError(f"out_indices {indices}: an int means the last so many maps, 1 to {count}; {valid}")
        return list(range(count - indices, count))
    if not indices:
        raise FeatureError(f"out_indices is empty; {valid}")
    wanted: list[int] = []
    for index in indices:
        if isinstance(index, bool) or not isinstance(index, int):
            raise FeatureError(f"out_indices {tuple(indices)!r}: {index!r} is no int; {valid}")
        if not -count <= index < count:
            raise FeatureError(f"out_indices {tuple(indices)!r}: {index} is out of range; {valid}")
        if (resolved := index % count) in wanted:
            raise FeatureError(f"out_indices {tuple(indices)!r}: map {resolved} is asked for twice; {valid}")
        wanted.append(resolved)
    return wanted
