"""Descriptions of a network's feature maps: channels, reduction, module, layout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, overload

from zoo_core.errors import FeatureError
from zoo_core.features.indices import Indices, feature_indices
from zoo_core.features.layout import Conversion, check_layout

if TYPE_CHECKING:
    from torch import nn

_KEYS = ("num_chs", "reduction", "module")


class FeatureInfo:
    """The table of a network's feature maps, and which of them a wrapper yields, in its order.

    `idx` of every method: None for the wanted maps, in order; an int for one map of the network; a
    sequence for several.
    """

    def __init__(
        self, feature_info: Iterable[dict[str, Any]], out_indices: Indices = None, output_fmt: str = "NCHW"
    ) -> None:
        """Copy the table.

        Args:
            feature_info: one dict per map: ``num_chs``, ``reduction``, ``module``; ``layout`` where
                it is not "NCHW", see `zoo_core.features.layout`.
            out_indices: which maps are wanted, see `Indices`.
            output_fmt: the layout in which the wrapper yields them.

        Raises:
            FeatureError: for indices that do not exist, an unknown layout, and for a table that
                lacks a key.
        """
        self.info = [{"layout": "NCHW", **entry, "index": index} for index, entry in enumerate(feature_info)]
        self.output_fmt = check_layout(output_fmt)
        for entry in self.info:
            if missing := [key for key in _KEYS if key not in entry]:
                raise FeatureError(
                    f"feature_info[{entry['index']}] has no {missing[0]!r}; each needs {', '.join(_KEYS)}"
                )
            check_layout(entry["layout"], f"feature_info[{entry['index']}]: layout")
        self.out_indices = tuple(feature_indices(out_indices, len(self.info)))

    def get(self, key: str, idx: int | Sequence[int] | None = None) -> Any:
        """Return one column: a value for an int `idx`, else a list."""
        if isinstance(idx, int):
            return self.info[idx][key]
        return [self.info[index][key] for index in (self.out_indices if idx is None else idx)]

    @overload
    def get_dicts(self, keys: Sequence[str] | None = ..., idx: Sequence[int] | None = ...) -> list[dict[str, Any]]: ...
    @overload
    def get_dicts(self, keys: Sequence[str] | None, idx: int) -> dict[str, Any]: ...
    @overload
    def get_dicts(self, keys: Sequence[str] | None = ..., *, idx: int) -> dict[str, Any]: ...
    def get_dicts(
        self, keys: Sequence[str] | None = None, idx: int | Sequence[int] | None = None
    ) -> dict[str, Any] | list[dict[str, Any]]:
        """Return rows, or their `keys` alone: a dict for an int `idx`, else a list of them."""
        if isinstance(idx, int):
            return {key: self.info[idx][key] for key in keys or self.info[idx]}
        rows = (self.info[index] for index in (self.out_indices if idx is None else idx))
        return [{key: row[key] for key in keys or row} for row in rows]

    def channels(self, idx: int | Sequence[int] | None = None) -> Any:
        """Return the channels of the maps."""
        return self.get("num_chs", idx)

    def reduction(self, idx: int | Sequence[int] | None = None) -> Any:
        """Return the input size over the map size."""
        return self.get("reduction", idx)

    def module_name(self, idx: int | Sequence[int] | None = None) -> Any:
        """Return the dotted names of the modules that yield the maps."""
        return self.get("module", idx)

    def layout(self, idx: int | Sequence[int] | None = None) -> Any:
        """Return the network's own layouts of the maps; a wrapper yields them in `output_fmt`."""
        return self.get("layout", idx)

    def conversions(self, net: nn.Module) -> list[Conversion]:
        """Return what turns each wanted map of `net` into one of `output_fmt`; empty for nothing.

        See `zoo_core.features.layout.convert_map`.
        """
        prefix = getattr(net, "num_prefix_tokens", 0)
        wanted = [self.info[index] for index in self.out_indices]
        if not prefix and all(row["layout"] == self.output_fmt for row in wanted):
            return []
        return [
            (row["layout"], self.output_fmt, row["reduction"] if row["layout"] == "NLC" else 1, prefix)
            for row in wanted
        ]

    def __getitem__(self, item: int) -> dict[str, Any]:
        """Return the row of one map of the network."""
        return self.info[item]

    def __len__(self) -> int:
        """Return how many maps the network has."""
        return len(self.info)

    def __repr__(self) -> str:
        rows = [self.info[index] for index in self.out_indices]
        maps = (f"{row['module']}: {row['num_chs']} x 1/{row['reduction']}{_tail(row)}" for row in rows)
        return f"FeatureInfo({', '.join(maps)})"


def _tail(row: dict[str, Any]) -> str:
    return "" if row["layout"] == "NCHW" else f" {row['layout']}"


def feature_table(net: nn.Module) -> list[dict[str, Any]]:
    """Return the ``feature_info`` of a network.

    Raises:
        FeatureError: when it has none.
    """
    if not (table := getattr(net, "feature_info", None)):
        raise FeatureError(
            f"{type(net).__name__} has no feature_info, the table of its feature maps; "
            "name the modules you want with zoo_core.create_feature_extractor"
        )
    return list(table.info if isinstance(table, FeatureInfo) else table)


def has_walk(net: nn.Module) -> bool:
    """Tell whether `net` has the walk of a `zoo_core.network.Network`."""
    return callable(getattr(net, "forward_stages", None))


def map_names(info: FeatureInfo, out_map: Sequence[str] | None) -> list[str]:
    """Return the keys of the wanted maps: `out_map`, or each map's index as a string.

    Raises:
        FeatureError: unless there is one name per map, each different.
    """
    if out_map is None:
        return [str(index) for index in info.out_indices]
    if len(out_map) != len(info.out_indices) or len(set(out_map)) != len(out_map):
        raise FeatureError(f"out_map {list(out_map)!r}: expected {len(info.out_indices)} different names, one per map")
    return [str(name) for name in out_map]
