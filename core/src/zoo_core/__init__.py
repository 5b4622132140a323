"""Zoo: image models by name, each family its own installable package.

Everything public is a name of this module, imported when it is first used: ``import zoo_core`` imports no torch.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zoo_core.builder import build_model_with_cfg as build_model_with_cfg
    from zoo_core.builder import default_cfg_for_features as default_cfg_for_features
    from zoo_core.config import PretrainedCfg as PretrainedCfg
    from zoo_core.create import create_model as create_model

__version__ = "0.1.0"

_EXPORTS = {
    "create_model": "create",
    "build_model_with_cfg": "builder",
    "default_cfg_for_features": "builder",
    "Family": "family",
    "Network": "network",
    "PretrainedCfg": "config",
    "list_models": "registry",
    "list_pretrained": "registry",
    "list_families": "registry",
    "is_model": "registry",
    "is_model_in_modules": "registry",
    "is_model_pretrained": "registry",
    "model_entrypoint": "registry",
    "register_model": "registry",
    "get_pretrained_cfg": "registry",
    "get_pretrained_cfg_value": "registry",
    "refresh": "registry",
    "get_arch_name": "names",
    "split_model_name_tag": "names",
    "load_pretrained": "weights.load",
    "FeatureInfo": "features.info",
    "FeatureListNet": "features.stages",
    "FeatureDictNet": "features.stages",
    "FeatureGetterNet": "features.getter",
    "FeatureGraphNet": "features.graph",
    "FeatureHookNet": "features.hook",
    "create_feature_extractor": "features.extract",
}
__all__ = ["__version__", *_EXPORTS]  # noqa: PLE0604 - the table is the list


def __getattr__(name: str) -> object:
    """Import a public name where it is defined (PEP 562)."""
    if (module := _EXPORTS.get(name)) is None:
        raise AttributeError(f"module 'zoo_core' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"zoo_core.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
