"""The modules of timm that Zoo serves, as a table."""

from __future__ import annotations

PREFIX = "zoo_core.compat.timm"
"""The name under which users import the facade."""

NETWORKS: dict[str, tuple[str, ...]] = {
    "timm.models.resnet": ("zoo_resnet", "zoo_resnet.model", "zoo_resnet.blocks"),
    "timm.models.densenet": ("zoo_densenet", "zoo_densenet.model", "zoo_densenet.blocks"),
    "timm.models.xception": ("zoo_xception", "zoo_xception.legacy.model", "zoo_xception.legacy.blocks"),
    "timm.models.xception_aligned": ("zoo_xception", "zoo_xception.model", "zoo_xception.blocks"),
    "timm.models.cspnet": ("zoo_cspnet", "zoo_cspnet.model", "zoo_cspnet.blocks"),
}
"""Modules of timm with networks, to the modules that have their names."""

PROVIDERS: dict[str, tuple[str, ...]] = {
    "timm": ("zoo_compat.names.top",),
    "timm.models": ("zoo_compat.names.models", "zoo_compat.names.networks"),
    "timm.layers": ("zoo_compat.names.layers",),
    "timm.data": ("zoo_compat.names.data",),
    "timm.utils": ("zoo_compat.names.utils",),
    **NETWORKS,
}
"""Module of timm to the modules that have its names. A missing family's are timm's own."""

ALIASES: dict[str, str] = {
    **dict.fromkeys(
        (
            *("timm.models._builder", "timm.models._factory", "timm.models._features", "timm.models._helpers"),
            *("timm.models._hub", "timm.models._manipulate", "timm.models._pretrained", "timm.models._prune"),
            *("timm.models._registry", "timm.models.factory", "timm.models.features", "timm.models.helpers"),
            *("timm.models.hub", "timm.models.registry", "timm.models._features_fx", "timm.models.fx_features"),
        ),
        "timm.models",
    ),
    **dict.fromkeys(
        (
            *("timm.models.layers", "timm.layers.config", "timm.layers.create_act", "timm.layers.create_norm"),
            *("timm.layers.create_attn", "timm.layers.weight_init", "timm.layers.helpers", "timm.layers.format"),
            *("timm.layers.mlp", "timm.layers.classifier", "timm.layers.drop", "timm.layers.norm_act"),
            *("timm.layers.adaptive_avgmax_pool", "timm.layers.norm", "timm.layers.padding"),
            *("timm.models.layers.helpers", "timm.models.layers.weight_init", "timm.models.layers.create_act"),
        ),
        "timm.layers",
    ),
    **dict.fromkeys(
        ("timm.data.config", "timm.data.constants", "timm.data.transforms_factory", "timm.data.imagenet_info"),
        "timm.data",
    ),
    "timm.utils.model": "timm.utils",
}
"""Older and private paths of timm, and parts of it, to the module above that has their names."""


def canonical(path: str) -> str | None:
    """Return the key of `PROVIDERS` that serves a module of timm; None where Zoo has none."""
    path = ALIASES.get(path, path)
    return path if path in PROVIDERS else None
