"""Weights for timm's networks: Zoo fetches, verifies and maps, timm converts and adapts.

What fits a checkpoint to a network (its converter of older names, other channels, other classes) is
known to timm alone, inside the function that also downloads. So that function is replaced, for
networks that Zoo builds: it is given the tensors that Zoo has read, and its last step, which copies
each of them, is Zoo's, which may share a mapped file's memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from timm.models import _builder
from torch.nn.modules.module import _IncompatibleKeys
from zoo_core.errors import WeightsError, ZooError
from zoo_core.weights.loading.adapt import check_classes
from zoo_core.weights.loading.assign import slots_of
from zoo_core.weights.loading.load import fetch_state_dict, put

if TYPE_CHECKING:
    import os

    from torch import Tensor, nn
    from zoo_core.config import PretrainedCfg
    from zoo_core.weights.loading.assign import Give

Load = Callable[..., None]
FOREIGN_SUFFIXES = (".npz", ".npy")
"""Of files that only a network's own ``load_pretrained`` reads."""

_load: ContextVar[Load | None] = ContextVar("_load", default=None)
_timms_load_pretrained = _builder.load_pretrained


def _load_pretrained(model: nn.Module, *args: Any, **options: Any) -> None:
    """Load as timm does, or, for a network that Zoo builds in this context, as Zoo does."""
    load = _load.get() or _timms_load_pretrained
    load(model, *args, **options)


_builder.load_pretrained = _load_pretrained


@contextmanager
def loading(
    cfg: PretrainedCfg, *, cache_dir: str | os.PathLike[str] | None, mmap: bool | None, give: Give
) -> Iterator[None]:
    """A context in which timm's builder loads the weights of a config from where Zoo has them.

    Args:
        cfg: the weights.
        cache_dir: the folder of downloaded weights.
        mmap: map the file; see `zoo_core.weights.loading.load.load_pretrained`.
        give: overwrites a tensor of the network by one of the file.
    """

    def load(model: nn.Module, pretrained_cfg: Mapping[str, Any], **options: Any) -> None:
        options.pop("cache_dir", None)
        path, state_dict = fetch_state_dict(model, cfg, cache_dir=cache_dir, mmap=mmap, foreign=FOREIGN_SUFFIXES)
        try:
            if state_dict is None:
                model.load_pretrained(str(path))  # type: ignore[operator] # timm's configs say which networks have it
            else:
                with _last_step(model, cfg, give, f"the weights in {path}"):
                    theirs = {**pretrained_cfg, "source": "", "state_dict": state_dict}
                    _timms_load_pretrained(model, pretrained_cfg=theirs, **options)
        except ZooError:
            raise
        except Exception as error:  # a converter of another layout may raise whatever it likes
            raise WeightsError(f"the weights in {path} do not fit {type(model).__name__}: {error}") from error

    token = _load.set(load)
    try:
        yield
    finally:
        _load.reset(token)


@contextmanager
def _last_step(model: nn.Module, cfg: PretrainedCfg, give: Give, source: str) -> Iterator[None]:
    """A context in which the model's ``load_state_dict`` checks first, then fills all at once."""

    def load_state_dict(state_dict: Mapping[str, Tensor], strict: bool = True) -> _IncompatibleKeys:
        del model.__dict__["load_state_dict"]  # `put` may need the model's own
        slots = slots_of(model)
        check_classes(dict(state_dict), cfg, {key: slot.tensor.shape for key, slot in slots.items()}, source)
        put(model, slots, dict(state_dict), strict=strict, give=give, source=source)
        missing, unexpected = ([key for key in one if key not in other] for one, other in
                               ((slots, state_dict), (state_dict, slots)))  # fmt: skip
        return _IncompatibleKeys(missing, unexpected)

    model.__dict__["load_state_dict"] = load_state_dict
    try:
        yield
    finally:
        model.__dict__.pop("load_state_dict", None)
