"""Zoo: image models by name, each family its own installable package.

Everything public is a name of this module, imported at its first use: ``import zoo_core`` imports
no torch.

- The words of users: `create`, `description`, `registry`, `names`, `config` (with
  `config_fields`), `family`, `errors`; `record`, `locks` and `_version` are below
  everything.
- The rooms: `discovery` finds plugins, `hooks` lets them take part, `building` makes networks,
  `weights` loads them, `features` extracts maps; `network` (the contract), `layers` and `training`
  are for authors; `cli` is the command ``zoo``, `pyinstaller` freezes it, `compat`
  has other libraries' names.
"""

from __future__ import annotations

TYPE_CHECKING: bool = False  # with an annotation jedi completes the names below
if TYPE_CHECKING:
    from zoo_core._version import __version__ as __version__
    from zoo_core.building.build import build_model_with_cfg as build_model_with_cfg
    from zoo_core.building.narrow import adapt_model_from_file as adapt_model_from_file
    from zoo_core.building.narrow import adapt_model_from_string as adapt_model_from_string
    from zoo_core.building.narrow import adapt_model_to_state_dict as adapt_model_to_state_dict
    from zoo_core.building.resolve import default_cfg_for_features as default_cfg_for_features
    from zoo_core.config import PretrainedCfg as PretrainedCfg
    from zoo_core.create import create_model as create_model
    from zoo_core.description import describe as describe
    from zoo_core.errors import OptionError as OptionError
    from zoo_core.errors import did_you_mean as did_you_mean
    from zoo_core.errors import look_up as look_up
    from zoo_core.family import Family as Family
    from zoo_core.features.extract import create_feature_extractor as create_feature_extractor
    from zoo_core.features.extractor import FeatureExtractor as FeatureExtractor
    from zoo_core.features.getter import FeatureGetterNet as FeatureGetterNet
    from zoo_core.features.graph import FeatureGraphNet as FeatureGraphNet
    from zoo_core.features.hook import FeatureHookNet as FeatureHookNet
    from zoo_core.features.info import FeatureInfo as FeatureInfo
    from zoo_core.features.stages import FeatureDictNet as FeatureDictNet
    from zoo_core.features.stages import FeatureListNet as FeatureListNet
    from zoo_core.hooks import hookimpl as hookimpl
    from zoo_core.names import get_arch_name as get_arch_name
    from zoo_core.names import split_model_name_tag as split_model_name_tag
    from zoo_core.network import Network as Network
    from zoo_core.registry import get_pretrained_cfg as get_pretrained_cfg
    from zoo_core.registry import get_pretrained_cfg_value as get_pretrained_cfg_value
    from zoo_core.registry import is_model as is_model
    from zoo_core.registry import is_model_in_modules as is_model_in_modules
    from zoo_core.registry import is_model_pretrained as is_model_pretrained
    from zoo_core.registry import list_families as list_families
    from zoo_core.registry import list_models as list_models
    from zoo_core.registry import list_pretrained as list_pretrained
    from zoo_core.registry import model_entrypoint as model_entrypoint
    from zoo_core.registry import refresh as refresh
    from zoo_core.registry import register_model as register_model
    from zoo_core.training.average import average_model as average_model
    from zoo_core.training.frozen import freeze_batch_norm as freeze_batch_norm
    from zoo_core.training.frozen import unfreeze_batch_norm as unfreeze_batch_norm
    from zoo_core.training.groups import parameter_groups as parameter_groups
    from zoo_core.training.stages import checkpoint_stages as checkpoint_stages
    from zoo_core.training.stages import freeze as freeze
    from zoo_core.training.stages import unfreeze as unfreeze
    from zoo_core.training.stochastic_depth import DropPathSchedule as DropPathSchedule
    from zoo_core.training.synchronised import convert_sync_batchnorm as convert_sync_batchnorm
    from zoo_core.weights.hub.repository import push_to_hub as push_to_hub
    from zoo_core.weights.hub.repository import save_for_hub as save_for_hub
    from zoo_core.weights.loading.checkpoint import load_checkpoint as load_checkpoint
    from zoo_core.weights.loading.checkpoint import load_state_dict as load_state_dict
    from zoo_core.weights.loading.checkpoint import resume_checkpoint as resume_checkpoint
    from zoo_core.weights.loading.load import load_custom_pretrained as load_custom_pretrained
    from zoo_core.weights.loading.load import load_pretrained as load_pretrained

_EXPORTS = {
    "__version__": "_version",
    "create_model": "create",
    "OptionError": "errors",
    "did_you_mean": "errors",
    "look_up": "errors",
    "hookimpl": "hooks",
    "build_model_with_cfg": "building.build",
    "default_cfg_for_features": "building.resolve",
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
    "describe": "description",
    "get_arch_name": "names",
    "split_model_name_tag": "names",
    "load_pretrained": "weights.loading.load",
    "load_custom_pretrained": "weights.loading.load",
    "load_state_dict": "weights.loading.checkpoint",
    "load_checkpoint": "weights.loading.checkpoint",
    "resume_checkpoint": "weights.loading.checkpoint",
    "save_for_hub": "weights.hub.repository",
    "push_to_hub": "weights.hub.repository",
    "adapt_model_to_state_dict": "building.narrow",
    "adapt_model_from_string": "building.narrow",
    "adapt_model_from_file": "building.narrow",
    "FeatureExtractor": "features.extractor",
    "FeatureInfo": "features.info",
    "FeatureListNet": "features.stages",
    "FeatureDictNet": "features.stages",
    "FeatureGetterNet": "features.getter",
    "FeatureGraphNet": "features.graph",
    "FeatureHookNet": "features.hook",
    "create_feature_extractor": "features.extract",
    "freeze_batch_norm": "training.frozen",
    "unfreeze_batch_norm": "training.frozen",
    "convert_sync_batchnorm": "training.synchronised",
    "freeze": "training.stages",
    "unfreeze": "training.stages",
    "checkpoint_stages": "training.stages",
    "parameter_groups": "training.groups",
    "average_model": "training.average",
    "DropPathSchedule": "training.stochastic_depth",
}
__all__ = [*_EXPORTS]  # noqa: PLE0604 - the table is the list


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
