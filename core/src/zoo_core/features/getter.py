"""The wrapper by ``forward_intermediates``, for any network that has it."""

from collections import OrderedDict
from typing import Any, cast

from torch import Tensor, nn

from zoo_core.errors import FeatureError
from zoo_core.features.indices import Indices
from zoo_core.features.info import FeatureInfo, feature_table, has_walk, map_names
from zoo_core.features.layout import convert_map
from zoo_core.features.mixin import OF_THE_HEAD, Adopting
from zoo_core.features.prune import own_copy
from zoo_core.features.stages import FeatureDictNet, FeatureListNet


class FeatureGetterNet(Adopting):
    """A network that returns what its own ``forward_intermediates`` yields."""

    feature_timms_prefix = "model."

    def __init__(
        self,
        net: nn.Module,
        out_indices: Indices = None,
        out_map: list[str] | tuple[str, ...] | None = None,
        return_dict: bool = False,
        output_fmt: str = "NCHW",
        norm: bool = False,
        prune: bool = True,
        return_prefix_tokens: bool = False,
    ) -> None:
        """Adopt `net`, which has ``forward_intermediates``; for the options see `wrap_features`.

        `prune` drops what no wanted map needs.

        Raises:
            FeatureError: for indices that do not exist, or a network without
                ``forward_intermediates``.
        """
        if not callable(getattr(net, "forward_intermediates", None)):
            raise FeatureError(f"{type(net).__name__} has no forward_intermediates: wrap it with FeatureHookNet")
        info = FeatureInfo(feature_table(net), out_indices, output_fmt)
        wanted = list(info.out_indices)
        if prunes := prune and not norm and callable(getattr(net, "prune_intermediate_layers", None)):
            net = own_copy(net)
            # Pruning may renumber the maps: use the indices that it returns.
            wanted = list(net.prune_intermediate_layers(wanted, prune_norm=True) or wanted)  # type: ignore[operator]
        super().__init__(net)
        self.feature_info = info
        self.feature_wanted = wanted
        self.feature_keys = map_names(info, out_map)
        self.feature_return_dict, self.feature_norm = return_dict, norm
        self.feature_prefix = return_prefix_tokens
        # Another library's network yields NCHW, and tokens as they are, and need have nothing else.
        has_format = has_walk(net) or (output_fmt == "NLC" and set(info.layout()) == {"NLC"})
        self.feature_asked = output_fmt if has_format else "NCHW"
        if prunes:
            self.lose([*OF_THE_HEAD, "prune_intermediate_layers"])

    def forward(self, x: Tensor) -> list[Any] | OrderedDict[str, Any]:
        """Images (batch, in_chans, h, w) to maps, (batch, channels, h, w) by default.

        With ``return_prefix_tokens`` each is a tuple of a map and its prefix tokens, where the
        network has those.
        """
        # `__init__` has checked that the network has it.
        maps = self.forward_intermediates(  # type: ignore[operator]
            x,
            indices=self.feature_wanted,
            norm=self.feature_norm,
            stop_early=True,
            output_fmt=self.feature_asked,
            intermediates_only=True,
            **({"return_prefix_tokens": True} if self.feature_prefix else {}),
        )
        if self.feature_asked != (output_fmt := self.feature_info.output_fmt):
            maps = [self._converted(found, x, output_fmt) for found in maps]
        return OrderedDict(zip(self.feature_keys, maps, strict=True)) if self.feature_return_dict else list(maps)

    def __prepare_scriptable__(self) -> nn.Module:
        """Return what TorchScript compiles in its place: the wrapper by the same walk."""
        if self.feature_norm or self.feature_prefix or not has_walk(self):
            return self
        net = own_copy(cast("nn.Module", self))
        net.__class__ = self.adopted[1]
        indices, output_fmt = self.feature_info.out_indices, self.feature_info.output_fmt
        if self.feature_return_dict:
            return FeatureDictNet(net, indices, self.feature_keys, output_fmt)
        return FeatureListNet(net, indices, output_fmt)

    @staticmethod
    def _converted(found: Any, x: Tensor, output_fmt: str) -> Any:
        if isinstance(found, tuple):
            return (convert_map(found[0], x, ("NCHW", output_fmt, 1, 0)), *found[1:])
        return convert_map(found, x, ("NCHW", output_fmt, 1, 0))
