"""The wrapper that reads maps off hooks: any module's, by module name."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn

from zoo_core.features.adopt import Adopting
from zoo_core.features.collect import collect, tap_modules
from zoo_core.features.info import FeatureInfo, feature_table
from zoo_core.features.stages import Indices, map_names


class FeatureHookNet(Adopting):
    """A module that returns the outputs of some of its modules, and runs nothing after the last of them.

    Unlike other hooks, these are safe under threads; torch.fx, which cannot see hooks, is refused.
    """

    def __init__(
        self,
        net: nn.Module,
        out_indices: Indices = None,
        out_map: list[str] | tuple[str, ...] | None = None,
        return_dict: bool = False,
        feature_info: list[dict[str, Any]] | None = None,
    ) -> None:
        """Adopt `net`.

        Args:
            net: any module.
            out_indices: which maps, see `zoo_core.features.indices.feature_indices`.
            out_map: keys of the maps, for ``return_dict``.
            return_dict: return a dict, by default by module name, instead of a list.
            feature_info: what maps there are, for a module that has no ``feature_info`` of its own: a list of dicts of
                ``num_chs``, ``reduction`` and ``module``.
        """
        info = FeatureInfo(feature_info or feature_table(net), out_indices)
        super().__init__(net)
        self.feature_info: Any = info
        self.feature_module_names: list[str] = info.module_name()
        self.feature_return_dict = return_dict
        self.feature_keys = map_names(info, out_map or self.feature_module_names)
        if callable(prune := getattr(self, "prune_stages", None)):
            prune(max(info.out_indices))
        tap_modules(self, self.feature_module_names)

    def forward(self, x: Tensor) -> list[Tensor] | OrderedDict[str, Tensor]:
        """Images (batch, in_chans, height, width) to maps, each (batch, channels, height, width)."""
        network: Any = type(self).__bases__[1]
        run = getattr(network, "forward_features", network.forward)
        maps = collect(self, lambda images: run(self, images), self.feature_module_names, x)
        return OrderedDict(zip(self.feature_keys, maps, strict=True)) if self.feature_return_dict else maps
