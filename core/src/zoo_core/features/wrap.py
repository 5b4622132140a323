"""From a network to a feature extractor: which wrapper, with which options."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from zoo_core.errors import FeatureError, OptionError, did_you_mean
from zoo_core.features.getter import FeatureGetterNet
from zoo_core.features.graph import FeatureGraphNet
from zoo_core.features.hook import FeatureHookNet
from zoo_core.features.stages import FeatureDictNet, FeatureListNet

_WRAPPERS: dict[str, type[nn.Module]] = {
    "list": FeatureListNet,
    "dict": FeatureDictNet,
    "hook": FeatureHookNet,
    "fx": FeatureGraphNet,
    "graph": FeatureGraphNet,
    "getter": FeatureGetterNet,
}
_OPTIONS = (
    *("out_indices", "feature_cls", "flatten_sequential", "feature_concat"),
    *("out_map", "output_fmt", "return_dict", "norm"),
)


def wrap_features(net: nn.Module, feature_cfg: Mapping[str, Any]) -> nn.Module:
    """Make `net` yield feature maps.

    Args:
        net: a network with a ``feature_info``.
        feature_cfg: what to yield and how; None means the default.

            - ``feature_cls``: ``"list"`` (the default for a `Network`), ``"dict"``, ``"hook"`` (the default for other
              modules), ``"fx"`` or ``"graph"``, ``"getter"``, or a class.
            - ``out_indices``: which maps, see `zoo_core.features.indices.feature_indices`.
            - ``out_map``: the keys of the maps, where the wrapper returns a dict.
            - ``return_dict``: return one; of ``"hook"``, ``"fx"`` and ``"getter"``.
            - ``feature_concat``: join the tensors of a module that returns several, or take the first, see
              `zoo_core.features.capture.joined`; of ``"hook"`` and ``"fx"``, which read modules of any kind.
            - ``flatten_sequential``: let ``feature_info`` name children of a Sequential. Every wrapper reaches modules
              at any depth, under the names that they have, so either value is fulfilled.
            - ``output_fmt``: ``"NCHW"``. ``"getter"`` passes it on to ``forward_intermediates``, which may have others.
            - ``norm``: apply the final norm; of ``"getter"``.

    Raises:
        OptionError: for a wrapper that does not exist, or an option that there is not or that this wrapper has not.
        FeatureError: for feature maps or a format that the network does not have.
    """
    options = {key: value for key, value in feature_cfg.items() if value is not None}
    default = "list" if callable(getattr(net, "forward_stages", None)) else "hook"
    wrapper = options.pop("feature_cls", default)
    if isinstance(wrapper, str):
        if wrapper not in _WRAPPERS:
            known = ", ".join(map(repr, _WRAPPERS))
            raise OptionError(f"feature_cls {wrapper!r}: expected one of {known}, or a class")
        wrapper = _WRAPPERS[wrapper]
    takes = [name for name in inspect.signature(wrapper).parameters if name not in ("net", "feature_info")]
    for name in options:
        if name not in {*_OPTIONS, *takes}:
            raise OptionError(f"feature_cfg has no {name!r}{did_you_mean(name, _OPTIONS)}")
    options.pop("flatten_sequential", None)
    if "output_fmt" not in takes and (layout := options.pop("output_fmt", "NCHW")) != "NCHW":
        raise FeatureError(f"output_fmt {layout!r}: the maps of {wrapper.__name__} are 'NCHW'")
    for name in options:
        if name not in takes:
            raise OptionError(f"{wrapper.__name__} has no option {name!r}; it has {', '.join(takes)}")
    wrapped: nn.Module = wrapper(net, **options)
    return wrapped
