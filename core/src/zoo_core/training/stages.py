"""Freezing, and recomputing, by stage: the stages are those of the network's feature maps."""

from collections.abc import Iterable
from typing import Any, TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from zoo_core.errors import OptionError
from zoo_core.features.indices import feature_indices
from zoo_core.features.info import feature_table
from zoo_core.features.prune import own_copy
from zoo_core.training.frozen import Frozen, freeze_batch_norm, unfreeze_batch_norm

M = TypeVar("M", bound=nn.Module)


def freeze(model: M, stage: int | None = None, *, batch_norm: bool = True) -> M:
    """Freeze what the feature map `stage` is computed from, in place; the rest goes on learning.

    Examples:
        >>> freeze(net)  # all but the classifier, for a fresh head
        >>> freeze(net, 1)  # the stem and the first stage

    `unfreeze` undoes it. Make the optimiser afterwards.

    Args:
        model: a network of Zoo, or a feature extractor of one.
        stage: index of a feature map, -1 for the last; None for all but the classifier.
        batch_norm: freeze statistics, too, as `freeze_batch_norm` does. False lets them follow the
            new images in train mode.

    Returns:
        `model`.

    Raises:
        OptionError: for a model without stages, or without a classifier where `stage` is None.
        FeatureError: for a stage that it has not.
    """
    names = _outside_the_classifier(model) if stage is None else names_up_to(model, stage)
    for name, parameter in model.named_parameters():
        if name in names:
            parameter.requires_grad_(False)
    norms = [
        name
        for name, module in model.named_modules()
        if name in names
        and isinstance(module, _BatchNorm)
        and not isinstance(module, Frozen)
        and module.running_mean is not None
    ]
    return freeze_batch_norm(model, norms) if batch_norm and norms else model


def unfreeze(model: M, stage: int | None = None) -> M:
    """Let parameters and batch norms of `model` learn again, in place.

    Examples:
        >>> unfreeze(net, 3)  # stage 3, what comes after it, and the head

    Args:
        model: see `freeze`.
        stage: the first stage that learns; None, or 0, for everything.

    Returns:
        `model`.

    Raises:
        OptionError: for a model without stages.
        FeatureError: for a stage that it has not.
    """
    first = 0 if stage is None else _index(model, stage)
    kept = names_up_to(model, first - 1) if first > 0 else set()
    norms = [name for name, module in model.named_modules() if isinstance(module, Frozen) and name not in kept]
    if norms:
        unfreeze_batch_norm(model, norms)
    for name, parameter in model.named_parameters():
        if name not in kept:
            parameter.requires_grad_(parameter.is_floating_point())
    return model


def checkpoint_stages(model: M, stages: int | Iterable[int]) -> M:
    """Recompute the blocks of these stages in the backward pass, and of no others, in place.

    The early stages keep the most bytes. `Network.set_grad_checkpointing` switches all.

    Args:
        model: a network of Zoo, or a feature extractor of one.
        stages: indices of feature maps, or one; none at all switches everything off.

    Raises:
        OptionError: for a model without stages, and a stage that nothing of can be recomputed.
        FeatureError: for a stage that it has not.
    """
    wanted = [_index(model, stage) for stage in ([stages] if isinstance(stages, int) else stages)]
    switches = {name: module for name, module in model.named_modules() if hasattr(module, "grad_checkpointing")}
    switches.pop("", None)
    chosen: set[str] = set()
    for stage in wanted:
        before = names_up_to(model, stage - 1) if stage else set()
        # A container of several stages, such as the blocks of one sequence, counts as the first.
        inside = switches.keys() & (names_up_to(model, stage) - before)
        if not inside:
            raise OptionError(f"stage {stage} of {type(model).__name__} has no blocks that can be recomputed")
        chosen |= inside
    for name, module in switches.items():
        module.grad_checkpointing = name in chosen
    return model


def names_up_to(model: nn.Module, stage: int) -> set[str]:
    """Return the names of the modules and parameters that the feature map `stage` needs.

    They are what the network itself keeps when it drops the stages after it.
    """
    stage = _index(model, stage)
    part: Any = own_copy(model)
    part.prune_stages(stage)
    return {name for name, _ in (*part.named_modules(), *part.named_parameters()) if name}


def _index(model: nn.Module, stage: int) -> int:
    if not callable(getattr(model, "prune_stages", None)):
        inner = "; give the network inside it" if hasattr(model, "module") else ""
        raise OptionError(f"a {type(model).__name__} has no stages to freeze or to recompute{inner}")
    return feature_indices([stage], len(feature_table(model)))[0]


def _outside_the_classifier(model: Any) -> set[str]:
    if not callable(getattr(model, "get_classifier", None)):
        raise OptionError(f"a {type(model).__name__} has no classifier; name the last stage to freeze")
    classifier = model.get_classifier()
    head = {id(item) for item in (*classifier.modules(), *classifier.parameters())}
    return {name for name, item in (*model.named_modules(), *model.named_parameters()) if name and id(item) not in head}
