"""The wrapper by ``forward_intermediates``, for any network that has it."""

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn

from zoo_core.errors import FeatureError
from zoo_core.features.indices import Indices
from zoo_core.features.info import FeatureInfo, feature_table, map_names
from zoo_core.features.mixin import OF_THE_HEAD, Adopting
from zoo_core.features.prune import own_copy


class FeatureGetterNet(Adopting):
    """A network that returns what its own ``forward_intermediates`` yields."""

    def __init__(
        self,
        net: nn.Module,
        out_indices: Indices = None,
        out_map: list[str] | tuple[str, ...] | None = None,
        return_dict: bool = False,
        output_fmt: str = "NCHW",
        norm: bool = False,
        prune: bool = True,
    ) -> None:
        """Adopt `net`, which has ``forward_intermediates``; for the options see `wrap_features`.

        `prune` drops what no wanted map needs.

        Raises:
            FeatureError: for indices that do not exist, or a network without
                ``forward_intermediates``.
        """
        if not callable(getattr(net, "forward_intermediates", None)):
            raise FeatureError(f"{type(net).__name__} has no forward_intermediates: wrap it with FeatureHookNet")
        info = FeatureInfo(feature_table(net), out_indices)
        wanted = list(info.out_indices)
        if prunes := prune and not norm and callable(getattr(net, "prune_intermediate_layers", None)):
            net = own_copy(net)
            # Pruning may renumber the maps: use the indices that it returns.
            wanted = list(net.prune_intermediate_layers(wanted, prune_norm=True) or wanted)  # type: ignore[operator]
        super().__init__(net)
        self.feature_info: Any = info
        self.feature_wanted = wanted
        self.feature_keys = map_names(info, out_map)
        self.feature_return_dict, self.feature_output_fmt, self.feature_norm = return_dict, output_fmt, norm
        if prunes:
            self.lose([*OF_THE_HEAD, "prune_intermediate_layers"])

    def forward(self, x: Tensor) -> list[Tensor] | OrderedDict[str, Tensor]:
        """Images (batch, in_chans, h, w) to maps, each (batch, channels, h, w)."""
        maps = self.forward_intermediates(  # type: ignore[operator] # checked by __init__
            x,
            indices=self.feature_wanted,
            norm=self.feature_norm,
            stop_early=not self.feature_norm,
            output_fmt=self.feature_output_fmt,
            intermediates_only=True,
        )
        return OrderedDict(zip(self.feature_keys, maps, strict=True)) if self.feature_return_dict else list(maps)
