"""Frozen batch norm: the function that it is now, whatever the mode, the optimiser or the batch.

Fine-tuning on batches too small for statistics of their own keeps those of the pretraining
(detection does, see https://arxiv.org/abs/1506.01497). ``eval()`` alone does not: the next
``train()`` undoes it, and the weights go on learning.
"""

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from zoo_core.errors import OptionError, did_you_mean
from zoo_core.layers.norm import ActivatedBatchNorm

M = TypeVar("M", bound=nn.Module)


class Frozen(nn.Module):
    """Mixin of frozen batch norms, whose scale and shift are buffers."""

    if TYPE_CHECKING:  # TorchScript would read the annotation, and cannot
        thawed: type[nn.Module]
        """The class that it was."""

    def train(self, mode: bool = True) -> "Frozen":
        """Set the mode of the modules inside, such as a dropout; the norm stays in eval mode."""
        super().train(mode)
        self.training = False
        return self

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Pickle and copy by the class before freezing: the frozen one cannot be imported."""
        _, _, *rest = cast("tuple[Any, ...]", super().__reduce_ex__(protocol))
        return (_blank, (self.thawed,), *rest)


def freeze_batch_norm(model: M, names: str | Sequence[str] = "*") -> M:
    """Freeze statistics, scale and shift of batch norms of `model` in place, for train mode too.

    Examples:
        >>> freeze_batch_norm(backbone)
        >>> freeze_batch_norm(net, ["bn1", "layer1"])

    The keys of the state dict stay, and loading one still changes them. `unfreeze_batch_norm`
    undoes it.

    Args:
        model: any module; batch norms of 1, 2 and 3 dimensions, synchronised ones,
            `BatchNormAct2d`, which keeps its activation, and `InplaceAbn`.
        names: which, by dotted name: those that match one of these patterns (``*``, ``?``,
            ``[...]``; a star matches dots too), and those inside a module that does.

    Returns:
        `model`. Make its optimiser afterwards: frozen norms have no parameters.

    Raises:
        OptionError: for a pattern that no batch norm matches, and a batch norm without running
            statistics.
    """
    norms = [(name, m) for name, m in _matching(model, _BatchNorm, names) if not isinstance(m, Frozen)]
    for name, norm in norms:
        if norm.running_mean is None:
            raise OptionError(f"batch norm {name!r} has no running statistics to freeze")
    for _, norm in norms:
        affine = {key: norm._parameters.pop(key) for key in ("weight", "bias")}
        # Copies, since an optimiser may hold the parameters, and a last gradient of them. First,
        # for the keys' order.
        copies = {key: None if value is None else value.detach().clone() for key, value in affine.items()}
        norm.__dict__["_buffers"] = copies | norm._buffers
        norm.__class__ = _frozen(type(norm))
        norm.train(norm.training)
    return model


def unfreeze_batch_norm(model: M, names: str | Sequence[str] = "*") -> M:
    """Undo `freeze_batch_norm` in place: scale and shift learn again; the mode is `model`'s.

    Args:
        model: a module with frozen batch norms.
        names: which, as for `freeze_batch_norm`.

    Raises:
        OptionError: for a pattern that no frozen batch norm matches.
    """
    for _, norm in _matching(model, Frozen, names):
        norm.__class__ = norm.thawed
        for key in ("weight", "bias"):
            buffer = norm._buffers.pop(key)
            norm.register_parameter(key, None if buffer is None else nn.Parameter(buffer))
        norm.train(model.training)
    return model


def _matching(model: nn.Module, kind: type[nn.Module], names: str | Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield modules of a kind, by name, that match a pattern or lie in a module that does."""
    found = {name: module for name, module in model.named_modules() if isinstance(module, kind)}
    patterns = [names] if isinstance(names, str) else list(names)
    places = {name: list(accumulate(name.split("."), "{}.{}".format)) for name in found}
    for pattern in patterns:
        if pattern != "*" and not any(fnmatchcase(place, pattern) for above in places.values() for place in above):
            known = {place for above in places.values() for place in above}
            what = "frozen batch norm" if kind is Frozen else "batch norm"
            raise OptionError(f"no {what} has a name like {pattern!r}{did_you_mean(pattern, known)}")
    for name, module in found.items():
        if any(fnmatchcase(place, pattern) for place in places[name] for pattern in patterns):
            yield name, module


def _batch_norm(self: Any, x: Tensor) -> Tensor:
    """(batch, channels, ...) to the same."""
    return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)


def _activated(self: Any, x: Tensor) -> Tensor:
    """(batch, channels, height, width) to the same."""
    return self.normalise(x, self.running_mean, self.running_var, False, 0.0)


_FORWARDS: dict[Any, Callable[..., Tensor]] = {
    _BatchNorm.forward: _batch_norm,
    nn.SyncBatchNorm.forward: _batch_norm,
    ActivatedBatchNorm.forward: _activated,
}
"""Forwards that read the mode, and others: `Frozen.train` does nothing in a scripted module."""

_FROZEN: dict[type[nn.Module], type[Frozen]] = {}


def _frozen(kind: type[nn.Module]) -> type[Frozen]:
    """Return the frozen form of a batch norm's class, which is made once."""
    if (frozen := _FROZEN.get(kind)) is None:
        body: dict[str, Any] = {"__module__": __name__, "__doc__": "Frozen, see `freeze_batch_norm`.", "thawed": kind}
        if kind.forward in _FORWARDS:
            body["forward"] = _FORWARDS[kind.forward]
        frozen = _FROZEN.setdefault(kind, type(f"Frozen{kind.__name__}", (Frozen, kind), body))
    return frozen


def _blank(kind: type[nn.Module]) -> Frozen:
    """Return a frozen batch norm without content, for a pickle or a copy to fill."""
    return nn.Module.__new__(_frozen(kind))
