"""Groups of parameters for an optimiser: weight decay, and learning rates by depth."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from zoo_core.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn

Key = tuple[float, ...]
LAST: Key = (float("inf"),)
WITH_THE_ONE_BEFORE = 99999
"""The last number of a key that goes with the layer before it: timm's convention for matchers."""


def parameter_groups(
    model: nn.Module,
    lr: float,
    weight_decay: float = 0.0,
    *,
    layer_decay: float | None = None,
    no_weight_decay: Iterable[str] = (),
) -> list[dict[str, Any]]:
    """Return the learning parameters of `model` in groups, for any optimiser of torch.

    Examples:
        >>> optimiser = torch.optim.AdamW(parameter_groups(net, 1e-3, 0.05, layer_decay=0.7))

    Each group has its real ``lr``, so every scheduler scales it. A scheduler that takes rates of
    its own needs one per group: ``OneCycleLR(optimiser, [group["lr"] for group in groups], ...)``.

    Args:
        model: any module; with `layer_decay` a network that has `group_matcher`, as Zoo's and
            timm's do.
        lr: learning rate of the deepest layers, such as the classifier.
        weight_decay: of matrices and kernels. Biases, norms and other vectors have none, nor what
            the network's ``no_weight_decay()`` names.
        layer_decay: the rate of a layer is this times that of the next deeper one
            (https://arxiv.org/abs/2106.08254); None for one rate.
        no_weight_decay: further names of parameters without it.

    Returns:
        Groups with ``params``, ``lr``, ``weight_decay`` and ``depth``, shallow ones first; each
        learning parameter is in exactly one, frozen ones in none.

    Raises:
        OptionError: for a rate out of range, a name that is no parameter's, and a model whose
            layers have no order.
    """
    _check_rates(lr, weight_decay, layer_decay)
    spared = _spared(model, no_weight_decay)
    depths = {} if layer_decay is None else depths_of(model)
    deepest = max(depths.values(), default=0)
    groups: dict[tuple[int, bool], list[Any]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 and name not in spared
            groups.setdefault((depths.get(name, deepest), decays), []).append(parameter)
    return [
        {
            "params": groups[depth, decays],
            "lr": lr * (1.0 if layer_decay is None else layer_decay) ** (deepest - depth),
            "weight_decay": weight_decay if decays else 0.0,
            "depth": depth,
        }
        for depth, decays in sorted(groups)
    ]


def depths_of(model: nn.Module) -> dict[str, int]:
    """Return each parameter's depth, 0 for the stem's, by the network's `group_matcher`.

    Raises:
        OptionError: for a model that has none.
    """
    matcher: Callable[[], Any] | None = getattr(model, "group_matcher", None)
    if matcher is None:
        inner = "; give the network inside it" if hasattr(model, "module") or hasattr(model, "_orig_mod") else ""
        raise OptionError(f"a {type(model).__name__} has no group_matcher, which orders its layers by depth{inner}")
    patterns = list(_patterns(matcher()))
    keys = {name: _key(name, patterns) for name, _ in model.named_parameters()}
    order: dict[Key, int] = {}
    depth = -1
    for key in sorted(set(keys.values())):
        if depth < 0 or key[-1] != WITH_THE_ONE_BEFORE:
            depth += 1
        order[key] = depth
    return {name: order[key] for name, key in keys.items()}


def _patterns(matcher: dict[str, Any]) -> Iterable[tuple[int, re.Pattern[str], Key]]:
    """Yield place, pattern and tail of the key of what it matches."""
    for place, patterns in enumerate(matcher.values()):
        for pattern, tail in [(patterns, None)] if isinstance(patterns, str) else patterns or ():
            yield place, re.compile(pattern), tuple(tail or ())


def _key(name: str, patterns: list[tuple[int, re.Pattern[str], Key]]) -> Key:
    """Return what sorts a parameter by depth; what no pattern matches comes last, like a head."""
    for place, pattern, tail in patterns:
        if match := pattern.match(name):
            return (place, *(float(number) for number in match.groups() if number is not None), *tail)
    return LAST


def _spared(model: nn.Module, more: Iterable[str]) -> set[str]:
    own: Callable[[], Iterable[str]] | None = getattr(model, "no_weight_decay", None)
    more = {more} if isinstance(more, str) else set(more)
    if unknown := more - {name for name, _ in model.named_parameters()}:
        raise OptionError(f"no_weight_decay {min(unknown)!r}: {type(model).__name__} has no such parameter")
    return more | set(own() if own is not None else ())


def _check_rates(lr: float, weight_decay: float, layer_decay: float | None) -> None:
    if not 0.0 <= lr < float("inf"):
        raise OptionError(f"lr {lr!r}: a learning rate is a number of 0 or more")
    if not 0.0 <= weight_decay < float("inf"):
        raise OptionError(f"weight_decay {weight_decay!r}: it is a number of 0 or more")
    if layer_decay is not None and not 0.0 < layer_decay <= 1.0:
        raise OptionError(f"layer_decay {layer_decay!r}: it is above 0 and at most 1, which is no decay")
