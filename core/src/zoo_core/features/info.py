"""What the feature maps of a network are: channels, reduction, module."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from zoo_core.errors import FeatureError
from zoo_core.features.indices import feature_indices

if TYPE_CHECKING:
    from torch import nn

_KEYS = ("num_chs", "reduction", "module")


class FeatureInfo:
    """The table of a network's feature maps and which of them a wrapper yields, in the order it yields them.

    `idx` of every method: None for the wanted maps, in order; an int for one map of the network; a sequence for
    several.
    """

    def __init__(self, feature_info: Iterable[dict[str, Any]], out_indices: int | Sequence[int] | None = None) -> None:
        """Copy the table.

        Args:
            feature_info: one dict per map: ``num_chs``, ``reduction``, ``module``.
            out_indices: which maps are wanted, see `zoo_core.features.indices.feature_indices`.

        Raises:
            FeatureError: for indices that do not exist, and for a table that lacks a key.
        """
        self.info = [dict(entry, index=index) for index, entry in enumerate(feature_info)]
        for entry in self.info:
            if missing := [key for key in _KEYS if key not in entry]:
                raise FeatureError(
                    f"feature_info[{entry['index']}] has no {missing[0]!r}; each needs {', '.join(_KEYS)}"
                )
        self.out_indices = tuple(feature_indices(out_indices, len(self.info)))

    def get(self, key: str, idx: int | Sequence[int] | None = None) -> Any:
        """One column: a value for an int `idx`, else a list."""
        if isinstance(idx, int):
            return self.info[idx][key]
        return [self.info[index][key] for index in (self.out_indices if idx is None else idx)]

    def get_dicts(
        self, keys: Sequence[str] | None = None, idx: int | Sequence[int] | None = None
    ) -> dict[str, Any] | list[dict[str, Any]]:
        """Rows, or their `keys` alone: a dict for an int `idx`, else a list of them."""
        if isinstance(idx, int):
            return {key: self.info[idx][key] for key in keys or self.info[idx]}
        rows = (self.info[index] for index in (self.out_indices if idx is None else idx))
        return [{key: row[key] for key in keys or row} for row in rows]

    def channels(self, idx: int | Sequence[int] | None = None) -> Any:
        """Channels of the maps."""
        return self.get("num_chs", idx)

    def reduction(self, idx: int | Sequence[int] | None = None) -> Any:
        """Input size over map size."""
        return self.get("reduction", idx)

    def module_name(self, idx: int | Sequence[int] | None = None) -> Any:
        """Dotted names of the modules that yield the maps."""
        return self.get("module", idx)

    def __getitem__(self, item: int) -> dict[str, Any]:
        """The row of one map of the network."""
        return self.info[item]

    def __len__(self) -> int:
        """How many maps the network has."""
        return len(self.info)

    def __repr__(self) -> str:
        rows = [self.info[index] for index in self.out_indices]
        maps = (f"{row['module']}: {row['num_chs']} x 1/{row['reduction']}" for row in rows)
        return f"FeatureInfo({', '.join(maps)})"


def feature_table(net: nn.Module) -> list[dict[str, Any]]:
    """The ``feature_info`` of a network.

    Raises:
        FeatureError: when it has none.
    """
    if not (table := getattr(net, "feature_info", None)):
        raise FeatureError(
            f"{type(net).__name__} has no feature_info, the table of its feature maps; "
            "name the modules you want with zoo_core.create_feature_extractor"
        )
    return list(table.info if isinstance(table, FeatureInfo) else table)
