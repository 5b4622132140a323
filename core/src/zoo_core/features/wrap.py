"""The choice of a wrapper, and its options."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from zoo_core.errors import FeatureError, OptionError, did_you_mean
from zoo_core.features.extractor import FeatureExtractor
from zoo_core.features.getter import FeatureGetterNet
from zoo_core.features.graph import FeatureGraphNet
from zoo_core.features.hook import FeatureHookNet
from zoo_core.features.info import feature_table, has_walk
from zoo_core.features.keys import Keyed, write_timms_keys
from zoo_core.features.stages import FeatureDictNet, FeatureListNet

WRAPPERS: dict[str, type[FeatureExtractor]] = {
    "list": FeatureListNet,
    "dict": FeatureDictNet,
    "hook": FeatureHookNet,
    "fx": FeatureGraphNet,
    "graph": FeatureGraphNet,
    "getter": FeatureGetterNet,
}
_OPTIONS = (
    *("out_indices", "feature_cls", "flatten_sequential", "feature_concat"),
    *("out_map", "output_fmt", "return_dict", "norm", "return_prefix_tokens"),
    "state_dict_names",
)


def wrap_features(net: nn.Module, feature_cfg: Mapping[str, Any]) -> nn.Module:
    """Make `net` yield feature maps.

    Args:
        net: a network with a ``feature_info``.
        feature_cfg: options; None means the default.

            - ``feature_cls``: ``"list"`` (the default for a `Network`), ``"dict"``, ``"hook"`` (the
              default for other modules), ``"fx"`` or ``"graph"``, ``"getter"`` (the default for
              other modules with ``forward_intermediates`` whose maps are not all NCHW), or a class.
            - ``out_indices``: which maps: a sequence of indices, negative ones counted from the
              end; an int n for the last n; None for all.
            - ``out_map``: the keys of the maps, where the wrapper returns a dict; by default each
              map's index as a string.
            - ``return_dict``: return a dict instead of a list; of ``"hook"``, ``"fx"`` and
              ``"getter"``.
            - ``feature_concat``: of the tensors of a module that returns several, join all (True)
              or take the first (False); of ``"hook"`` and ``"fx"``, which read modules of any kind.
            - ``flatten_sequential``: let ``feature_info`` name children of a Sequential. Either
              value changes nothing: every wrapper reaches modules at any depth, by their own names.
            - ``output_fmt``: the layout of the maps, whatever the network's own is: ``"NCHW"`` (the
              default), ``"NHWC"`` or ``"NLC"``, which is (batch, height * width, channels).
            - ``norm``: apply the final norm, see `Network.forward_intermediates`; of ``"getter"``.
            - ``return_prefix_tokens``: yield tuples of a map and its prefix tokens (batch, tokens,
              channels), where the network has those; of ``"getter"``.
            - ``state_dict_names``: whose keys ``state_dict()`` has, ``"zoo"`` (the default) or
              ``"timm"``. A state dict with either loads.

    Raises:
        OptionError: for an unknown wrapper, or an option that does not exist or that this wrapper
            does not have.
        FeatureError: for feature maps or a format that the network does not have.
    """
    options = {key: value for key, value in feature_cfg.items() if value is not None}
    asked = options.pop("feature_cls", None)
    wrapper = asked or _default_wrapper(net)
    if isinstance(wrapper, str):
        if wrapper not in WRAPPERS:
            known = ", ".join(map(repr, WRAPPERS))
            raise OptionError(f"feature_cls {wrapper!r}: expected one of {known}, or a class")
        wrapper = WRAPPERS[wrapper]
    takes = [name for name in inspect.signature(wrapper).parameters if name not in ("net", "feature_info")]
    for name in options:
        if name not in {*_OPTIONS, *takes}:
            raise OptionError(f"feature_cfg has no {name!r}{did_you_mean(name, _OPTIONS)}")
    options.pop("flatten_sequential", None)
    if (names := options.pop("state_dict_names", "zoo")) not in ("zoo", "timm"):
        raise OptionError(f"state_dict_names {names!r}: expected 'zoo' or 'timm'")
    if "output_fmt" not in takes and (layout := options.pop("output_fmt", "NCHW")) != "NCHW":
        raise FeatureError(f"output_fmt {layout!r}: the maps of {wrapper.__name__} are 'NCHW'")
    for name in options:
        if name not in takes:
            raise OptionError(f"{wrapper.__name__} has no option {name!r}; it has {', '.join(takes)}")
    wrapped: nn.Module = wrapper(net, **options)
    if names == "timm":
        if not isinstance(wrapped, Keyed):
            raise OptionError(f"state_dict_names: {wrapper.__name__} has keys of its own")
        write_timms_keys(wrapped, by_default=asked is None)
    return wrapped


def _default_wrapper(net: nn.Module) -> str:
    if has_walk(net):
        return "list"
    layouts = {row.get("layout", "NCHW") for row in feature_table(net)}
    return "getter" if callable(getattr(net, "forward_intermediates", None)) and layouts != {"NCHW"} else "hook"
