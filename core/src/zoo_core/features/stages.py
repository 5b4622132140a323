"""The wrappers that run a network's own walk: maps as a list or as a dict."""

# TorchScript compiles these annotations and knows `typing`'s names only.
from typing import TYPE_CHECKING, Dict, List, Tuple  # noqa: UP035

from torch import Tensor, nn

from zoo_core.errors import FeatureError
from zoo_core.features.indices import Indices
from zoo_core.features.info import FeatureInfo, feature_table, has_walk, map_names
from zoo_core.features.layout import convert_map
from zoo_core.features.mixin import OF_THE_WHOLE, Adopting


class StageFeatures(Adopting):
    """Base of the wrappers that run the walk of a `Network` up to the last wanted map.

    Modules past that map are dropped. `feature_info` and the maps are in the order of
    ``out_indices``. Its own attributes begin with ``feature_``: it shares its namespace with the
    network's children.
    """

    if TYPE_CHECKING:  # the network's own methods, see `zoo_core.features.mixin`

        def forward_stages(self, x: Tensor, taps: List[int], last: int) -> Tuple[Tensor, List[Tensor]]: ...  # noqa: D102, UP006
        def prune_stages(self, last: int) -> None: ...  # noqa: D102

    def __init__(self, net: nn.Module, out_indices: Indices = None, output_fmt: str = "NCHW") -> None:
        """Adopt `net`; for the options see `wrap_features`.

        Raises:
            FeatureError: for indices that do not exist, or a module that is no `Network`.
        """
        if not has_walk(net):
            raise FeatureError(
                f"{type(net).__name__} has no forward_stages: wrap it with FeatureHookNet or create_feature_extractor"
            )
        super().__init__(net)
        self.feature_info = FeatureInfo(feature_table(net), out_indices, output_fmt)
        wanted = list(self.feature_info.out_indices)
        self.feature_taps = sorted(wanted)
        self.feature_order = [self.feature_taps.index(index) for index in wanted]
        self.feature_last = self.feature_taps[-1]
        conversions = self.feature_info.conversions(net)
        self.feature_converts = bool(conversions)
        self.feature_conversions = conversions or [("NCHW", "NCHW", 1, 0)]  # TorchScript knows no type of an empty list
        self.prune_stages(self.feature_last)
        self.lose(OF_THE_WHOLE)

    def feature_maps(self, x: Tensor) -> List[Tensor]:  # noqa: UP006
        """Return the wanted maps of images, in the order asked for."""
        maps = self.forward_stages(x, self.feature_taps, self.feature_last)[1]
        wanted = [maps[position] for position in self.feature_order]
        if self.feature_converts:
            wanted = [convert_map(wanted[i], x, how) for i, how in enumerate(self.feature_conversions)]
        return wanted


class FeatureListNet(StageFeatures):
    """A network that returns its wanted feature maps as a list, in the order asked for."""

    def forward(self, x: Tensor) -> List[Tensor]:  # noqa: UP006
        """Images (batch, in_chans, h, w) to maps, each (batch, channels, h, w) by default."""
        return self.feature_maps(x)


class FeatureDictNet(StageFeatures):
    """A network that returns its wanted feature maps as a dict, in the order asked for."""

    def __init__(
        self,
        net: nn.Module,
        out_indices: Indices = None,
        out_map: list[str] | None = None,
        output_fmt: str = "NCHW",
    ) -> None:
        """Adopt `net`; for the options see `wrap_features`."""
        super().__init__(net, out_indices, output_fmt)
        self.feature_names = map_names(self.feature_info, out_map)

    def forward(self, x: Tensor) -> Dict[str, Tensor]:  # noqa: UP006
        """Images (batch, in_chans, h, w) to maps by name, (batch, channels, h, w) by default."""
        maps = self.feature_maps(x)
        return {name: maps[index] for index, name in enumerate(self.feature_names)}
