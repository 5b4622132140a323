"""The wrapper that reads the maps of any module by hooks, by module name."""

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from zoo_core.features.capture import collect, find_modules, joined, tap_modules
from zoo_core.features.indices import Indices
from zoo_core.features.info import FeatureInfo, feature_table, has_walk, map_names
from zoo_core.features.layout import convert_map
from zoo_core.features.mixin import OF_THE_WHOLE, Adopting
from zoo_core.features.prune import drop_unreached, own_path


class FeatureHookNet(Adopting):
    """A module that returns the outputs of some of its modules, and stops after the last.

    It drops what it does not run: a `zoo_core.network.Network` knows what that is, and torch.fx
    traces any other module. A module that torch.fx cannot trace stays whole; it still ends early.

    Unlike other hooks, these are safe under threads. torch.fx cannot see hooks, so that tracing
    raises an error.
    """

    feature_timms_prefix = "body."

    if TYPE_CHECKING:  # the network's own methods, see `zoo_core.features.mixin`

        def forward_stages(self, x: Tensor, taps: list[int], last: int) -> tuple[Tensor, list[Tensor]]: ...  # noqa: D102
        def prune_stages(self, last: int) -> None: ...  # noqa: D102

    def __init__(
        self,
        net: nn.Module,
        out_indices: Indices = None,
        out_map: list[str] | tuple[str, ...] | None = None,
        return_dict: bool = False,
        feature_info: list[dict[str, Any]] | None = None,
        feature_concat: bool | None = None,
        output_fmt: str = "NCHW",
    ) -> None:
        """Adopt `net`, any module; for the options see `wrap_features`.

        The keys of a dict are module names by default. `feature_info` replaces the module's own: a
        list of dicts of ``num_chs``, ``reduction`` and ``module``.

        Raises:
            FeatureError: for indices or modules that do not exist.
        """
        info = FeatureInfo(feature_info or feature_table(net), out_indices, output_fmt)
        names: list[str] = info.module_name()
        find_modules(net, names)
        super().__init__(net)
        self.feature_info = info
        self.feature_module_names = names
        self.feature_conversions = info.conversions(net)
        self.feature_return_dict, self.feature_concat = return_dict, feature_concat
        self.feature_keys = map_names(info, out_map or names)
        # The caller's table may name modules in another order than the network's stages, and in its
        # head.
        own_walk = feature_info is None and has_walk(net)
        self.feature_last = max(info.out_indices) if own_walk else None
        if self.feature_last is None:
            if drop_unreached(self, names, "run_network"):  # its forward may call `forward_head`
                self.lose([name for name in OF_THE_WHOLE if name != "forward_head"])
        else:
            self.prune_stages(self.feature_last)
            self.lose(OF_THE_WHOLE)
            for name in names:
                own_path(self, name)
        tap_modules(self, names)

    def run_network(self, x: Tensor) -> Any:
        """Run the network's own forward, up to the last wanted map if the network can."""
        if self.feature_last is not None:
            return self.forward_stages(x, [], self.feature_last)
        network: Any = self.adopted[1]
        return network.forward(self, x)

    def forward(self, x: Tensor) -> list[Tensor] | OrderedDict[str, Tensor]:
        """Images (batch, in_chans, h, w) to maps, each (batch, channels, h, w) by default."""
        stops = self.feature_last is None
        outputs = collect(self, self.run_network, self.feature_module_names, x, stops=stops)
        maps = [joined(output, self.feature_concat) for output in outputs]
        if self.feature_conversions:
            maps = [convert_map(found, x, how) for found, how in zip(maps, self.feature_conversions, strict=True)]
        return OrderedDict(zip(self.feature_keys, maps, strict=True)) if self.feature_return_dict else maps
