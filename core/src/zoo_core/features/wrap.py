"""From a network to a feature extractor: which wrapper, with which options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from zoo_core.errors import OptionError, did_you_mean
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
_OPTIONS = ("out_indices", "feature_cls", "out_map", "return_dict", "output_fmt", "norm")


def wrap_features(net: nn.Module, feature_cfg: Mapping[str, Any]) -> nn.Module:
    """Make `net` yield feature maps.

    Args:
        net: a network with a ``feature_info``.
        feature_cfg: ``feature_cls`` (a name or a class; by default ``"list"`` for a `Network`, else ``"hook"``),
            ``out_indices``, and the options of that wrapper.

    Raises:
        OptionError: for a wrapper or an option that does not exist.
    """
    options = {key: value for key, value in feature_cfg.items() if value is not None}
    for name in options:
        if name not in _OPTIONS:
            raise OptionError(f"feature_cfg has no {name!r}{did_you_mean(name, _OPTIONS)}")
    default = "list" if callable(getattr(net, "forward_stages", None)) else "hook"
    wrapper = options.pop("feature_cls", default)
    if isinstance(wrapper, str):
        if wrapper not in _WRAPPERS:
            known = ", ".join(map(repr, _WRAPPERS))
            raise OptionError(f"feature_cls {wrapper!r}: expected one of {known}, or a class")
        wrapper = _WRAPPERS[wrapper]
    wrapped: nn.Module = wrapper(net, **options)
    return wrapped
