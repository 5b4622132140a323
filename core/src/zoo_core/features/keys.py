"""The keys of extractors' state dicts: the network's own, and those of timm's wrappers.

timm's wrappers hold the network as a child, or the children of its Sequentials under names of their
own: ``stages.0.conv.weight`` becomes ``stages_0.conv.weight`` or ``body.stages.0.conv.weight``.
Checkpoints of segmentation models and detectors have such keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from zoo_core.features.info import FeatureInfo

_PREFIXES = ("body.", "model.", "graph_module.")


class Keyed(nn.Module):
    """Base of wrappers: loads a state dict with the network's keys or with those of timm."""

    feature_timms_prefix = ""
    """What the keys of timm's wrapper of this kind begin with."""

    def feature_own_keys(self, state_dict: dict[str, Any], prefix: str = "") -> dict[str, Any]:
        """Return a state dict with the network's keys where it has timm's, `prefix` before both."""
        own = {name for name, _ in self.named_parameters(remove_duplicate=False)}
        own |= {name for name, _ in self.named_buffers(remove_duplicate=False)}
        alike = _by_letters(own)
        renamed: dict[str, Any] = {}
        for key, value in state_dict.items():
            name = key.removeprefix(prefix)
            if key.startswith(prefix) and name not in own:
                known = alike.get(_letters(_without_prefix(name)))
                if known and prefix + known not in state_dict:
                    key = prefix + known  # noqa: PLW2901
            renamed[key] = value
        return renamed

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        renamed = self.feature_own_keys(state_dict, prefix)
        state_dict.clear()  # torch reads the children's tensors from the same dict
        state_dict.update(renamed)
        super()._load_from_state_dict(state_dict, prefix, *args)


def write_timms_keys(extractor: Keyed, *, by_default: bool) -> None:
    """Let an extractor's ``state_dict()`` have the keys of timm's wrapper of the same kind.

    `by_default` that is the architecture's in timm: by hooks where any map lies within a module,
    wanted or not.
    """
    info: FeatureInfo = extractor.feature_info  # type: ignore[assignment] # every wrapper's
    modules = [row["module"] for row in info.info] if by_default else info.module_name()
    rename = partial(_rename, by_hooks=any("." in module for module in modules))
    extractor.register_state_dict_post_hook(rename)  # type: ignore[no-untyped-call] # torch has no types for it


def _rename(extractor: Keyed, state_dict: dict[str, Any], prefix: str, _: Any, *, by_hooks: bool) -> None:
    info: FeatureInfo = extractor.feature_info  # type: ignore[assignment] # as above
    within = [module.split(".")[0] for module in (row["module"] for row in info.info) if "." in module]
    sequences = {name for name, child in extractor.named_children() if isinstance(child, nn.Sequential)}
    own = [key for key in state_dict if key.startswith(prefix)]
    for key in own:
        name = key.removeprefix(prefix)
        if extractor.feature_timms_prefix in ("", "body."):
            name = _reached(name, sequences) if sequences & {*within} else _held(name, extractor, by_hooks)
        else:
            name = extractor.feature_timms_prefix + name
        state_dict[prefix + name] = state_dict.pop(key)


def _reached(name: str, sequences: set[str]) -> str:
    """Return a key below a wrapper that takes the Sequentials apart."""
    first, _, rest = name.partition(".")
    return f"{first}_{rest}" if first in sequences else name


def _held(name: str, extractor: Keyed, by_hooks: bool) -> str:
    """Return a key below a wrapper that keeps the network whole, as timm's by hooks does."""
    return f"body.{name}" if by_hooks or extractor.feature_timms_prefix else name


def _by_letters(names: Iterable[str]) -> dict[str, str]:
    """Return names by how they read without dots, less those that read the same."""
    found: dict[str, str] = {}
    twice = set()
    for name in names:
        if found.setdefault(letters := _letters(name), name) != name:
            twice.add(letters)
    return {letters: name for letters, name in found.items() if letters not in twice}


def _letters(name: str) -> str:
    return name.replace(".", "_")


def _without_prefix(name: str) -> str:
    return next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix)), name)
