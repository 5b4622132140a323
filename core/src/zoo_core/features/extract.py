"""A feature extractor of any module, by the names of its modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from zoo_core.errors import FeatureError, OptionError
from zoo_core.features.extractor import FeatureExtractor
from zoo_core.features.wrap import WRAPPERS


def create_feature_extractor(
    module: nn.Module, return_nodes: Mapping[str, str] | Sequence[str], *, feature_cls: str = "hook"
) -> FeatureExtractor:
    """Make an extractor that returns a dict of the outputs of some modules.

    Examples:
        >>> backbone = create_feature_extractor(net, {"layer2": "c3", "layer3": "c4"})
        >>> backbone(images)["c3"]

    Args:
        module: any module; it is not changed.
        return_nodes: dotted names of modules, each with its key of the result, or alone.
        feature_cls: ``"hook"`` runs the module's own forward and stops after the last wanted one;
            ``"fx"`` traces it into a graph first, which compiles and exports.

    Raises:
        FeatureError: for a name that is no module, with the nearest ones, or when nothing is
            wanted.
        OptionError: for another `feature_cls`.
    """
    nodes = dict(return_nodes) if isinstance(return_nodes, Mapping) else {name: name for name in return_nodes}
    if not nodes:
        raise FeatureError("return_nodes is empty: name at least one module")
    if feature_cls not in ("hook", "fx", "graph"):
        raise OptionError(f"feature_cls {feature_cls!r}: expected 'hook' or 'fx'")
    info = [{"num_chs": None, "reduction": None, "module": name} for name in nodes]
    return WRAPPERS[feature_cls](module, out_map=list(nodes.values()), return_dict=True, feature_info=info)
