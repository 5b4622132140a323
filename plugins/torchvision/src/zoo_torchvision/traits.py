"""What torchvision does to a network when it loads weights into it, beside loading them."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor
    from zoo_core.config import PretrainedCfg

    StateDict = dict[str, Tensor]

_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
_OLD_DENSE = re.compile(r"^(.*denselayer\d+\.(?:norm|conv))\.([12]\..*)$")


def options_of(architecture: str, cfg: PretrainedCfg, pretrained: bool) -> dict[str, Any]:
    """Return the options that the weights of a config need; the caller's come before them."""
    if architecture.startswith("vit_"):
        return {"image_size": cfg.input_size[1]}
    if architecture == "maxvit_t":
        return {"input_size": cfg.input_size[1:]}
    if architecture in ("googlenet", "inception_v3"):
        # Their weights expect images normalised as in 2015, and only one has its second classifier.
        aux = architecture == "inception_v3" or not pretrained
        return {"init_weights": not pretrained, "transform_input": pretrained, "aux_logits": aux}
    return {}


def converter_of(model: nn.Module) -> Callable[[StateDict, nn.Module], StateDict] | None:
    """Return what gives a published file the names of the network; None if it has them."""
    kind = type(model).__name__
    if kind == "MNASNet":
        # Its own loading asks by which of two versions a file was saved, which only torch's files
        # say. The published ones are of the second.
        for module in model.modules():
            module._load_from_state_dict = partial(nn.Module._load_from_state_dict, module)  # type: ignore[method-assign]
    return {"DenseNet": _dense, "GoogLeNet": _without_auxiliary, "Inception3": _without_auxiliary}.get(kind)


def _dense(state_dict: StateDict, _: nn.Module) -> StateDict:
    return {_OLD_DENSE.sub(r"\1\2", key): value for key, value in state_dict.items()}


def _without_auxiliary(state_dict: StateDict, model: nn.Module) -> StateDict:
    """Leave out the classifiers for training if the network has none."""
    if model.aux_logits:
        return state_dict
    return {key: value for key, value in state_dict.items() if not key.startswith(_AUXILIARY)}
