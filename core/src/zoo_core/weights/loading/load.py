"""Load weights into a network: read, adapt, check, then fill. A failed load changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from torch import nn
from torch._C import DisableTorchFunction  # the builder's deferral need not look at a file's tensors

from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.hooks.manager import hook_manager
from zoo_core.network.infer import completed
from zoo_core.weights.cache.entry import cache_folder
from zoo_core.weights.fetch import fetch_weights
from zoo_core.weights.files.installed import is_installed
from zoo_core.weights.loading.adapt import adapt_classifiers, adapt_first_convs
from zoo_core.weights.loading.assign import (
    Give,
    Slots,
    check_fit,
    copy_each,
    fill,
    loads_itself,
    slots_of,
    unchanged_if_it_fails,
)
from zoo_core.weights.loading.plain import plain_tensors
from zoo_core.weights.loading.state_dict import StateDict, read_state_dict
from zoo_core.weights.loading.unwrap import unwrapped_for
from zoo_core.weights.sources import local
from zoo_core.weights.sources.url import torch_checkpoints
from zoo_core.weights.transfer.request import split_source

if TYPE_CHECKING:
    import os
    from pathlib import Path

FilterFn = Callable[[StateDict, nn.Module], StateDict]


def load_pretrained(
    model: nn.Module,
    pretrained_cfg: PretrainedCfg | Mapping[str, Any] | None = None,
    *,
    filter_fn: FilterFn | None = None,
    strict: bool = True,
    cache_dir: str | os.PathLike[str] | None = None,
    mmap: bool | None = None,
    give: Give = copy_each,
) -> None:
    """Load the weights that a default config names, adapted to the model's channels and classes.

    Args:
        model: whose values are replaced.
        pretrained_cfg: by default the model's own ``pretrained_cfg``.
        filter_fn: turns the file's state dict into one with the model's keys.
        strict: False lets keys be missing or too many.
        cache_dir: where downloads are kept, by default the platform's cache folder.
        mmap: map the file instead of copying it; by default only one in a cache or a package.
        give: overwrites the model's tensors by the file's; the builder shares memory where nobody
            can tell.

    Raises:
        ConfigError: for a default config that cannot be.
        WeightsError: when there are no weights, or they cannot be read or do not fit; the model is
            as it was then.
    """
    cfg = completed(model, _cfg_of(model, pretrained_cfg))
    path = fetch_weights(cfg, cache_dir=cache_dir)
    state_dict = _read(path, cfg, cache_dir, mmap)
    if filter_fn is not None:
        filtered = filter_fn(dict(state_dict), model)
        with DisableTorchFunction():
            state_dict = plain_tensors(filtered, f"the filtered weights of {path}")
    adapted = hook_manager().hook.zoo_adapt_state_dict(state_dict=state_dict, model=model, pretrained_cfg=cfg)
    load_adapted(
        model,
        adapted or unwrapped_for(model, state_dict),
        cfg,
        strict=strict,
        give=give,
        source=f"the weights in {path}",
        are_plain=filter_fn is not None and not adapted,
    )


def fetch_state_dict(
    model: nn.Module,
    cfg: PretrainedCfg,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    mmap: bool | None = None,
    foreign: tuple[str, ...] = (),
) -> tuple[Path, StateDict | None]:
    """Return the file of a config's weights, and its tensors as other libraries adapt them.

    Args:
        model: that they are for, which hooks may want to know.
        cfg: the weights.
        cache_dir: as for `load_pretrained`.
        mmap: as for `load_pretrained`.
        foreign: suffixes of files that are not read: the tensors are None then.
    """
    path = fetch_weights(cfg, cache_dir=cache_dir)
    if path.suffix in foreign:
        return path, None
    state_dict = _read(path, cfg, cache_dir, mmap)
    adapt = hook_manager().hook.zoo_adapt_state_dict
    return path, adapt(state_dict=state_dict, model=model, pretrained_cfg=cfg) or unwrapped_for(model, state_dict)


def load_custom_pretrained(
    model: nn.Module,
    pretrained_cfg: PretrainedCfg | Mapping[str, Any] | None = None,
    *,
    load_fn: Callable[[nn.Module, str], object] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> None:
    """Load weights that are no state dict: fetch a default config's file for the network to read.

    Args:
        model: whose values are replaced.
        pretrained_cfg: by default the model's own ``pretrained_cfg``.
        load_fn: ``(model, path)`` reads the file; by default the model's own
            ``load_pretrained(path)``.
        cache_dir: as for `load_pretrained`.

    Raises:
        WeightsError: when there are no weights, or nothing that reads them.
    """
    if load_fn is None and not callable(getattr(model, "load_pretrained", None)):
        raise WeightsError(
            f"{type(model).__name__} has no load_pretrained(path), which the weights of its config need: give load_fn"
        )
    path = str(fetch_weights(_cfg_of(model, pretrained_cfg), cache_dir=cache_dir))
    if load_fn is None:
        model.load_pretrained(path)  # type: ignore[operator] # looked at above
    else:
        load_fn(model, path)


def load_adapted(
    model: nn.Module,
    state_dict: StateDict,
    cfg: PretrainedCfg,
    *,
    strict: bool = True,
    give: Give = copy_each,
    source: str = "the weights",
    are_plain: bool = False,
) -> None:
    """Adapt a state dict to the model's channels and classes, and put it into the model.

    `are_plain` says that the tensors went through `plain_tensors`.
    """
    slots = slots_of(model)
    with DisableTorchFunction():
        state_dict = state_dict if are_plain else plain_tensors(state_dict, source)
        shapes = {key: slot.tensor.shape for key, slot in slots.items()}
    state_dict = adapt_first_convs(state_dict, cfg, shapes)
    state_dict, fresh = adapt_classifiers(state_dict, cfg, shapes, source)
    put(model, slots, state_dict, may_miss=fresh, strict=strict, give=give, source=source, are_plain=True)


def put(
    model: nn.Module,
    slots: Slots,
    state_dict: StateDict,
    *,
    may_miss: Iterable[str] = (),
    strict: bool = True,
    give: Give = copy_each,
    source: str = "the weights",
    are_plain: bool = False,
) -> None:
    """Check that a state dict fits, then put it into the model; arguments as for `load_adapted`.

    `are_plain` says that the tensors went through `plain_tensors`.

    Modules that have something to say in their own loading (a hook, an override) are loaded by
    torch's ``load_state_dict``. An extractor says which of its keys other libraries' mean.
    """
    if callable(own_keys := getattr(model, "feature_own_keys", None)):
        state_dict = own_keys(dict(state_dict))
    by_itself = loads_itself(slots)
    extra = {k: v for k, v in state_dict.items() if by_itself and str(k).endswith("_extra_state")}
    with DisableTorchFunction():
        plain = {key: value for key, value in state_dict.items() if key not in extra} if extra else state_dict
        plain = plain if are_plain else plain_tensors(plain, source)
        check_fit(slots, plain, may_miss=may_miss, strict=strict, source=source)
    if not by_itself:
        fill(slots, plain, give=give)
        return
    kept = {key: value for key, value in plain.items() if key in slots}
    try:
        with unchanged_if_it_fails(slots):
            model.load_state_dict({**kept, **extra}, strict=False)
    except Exception as error:  # a module's own loading may raise whatever it likes
        raise WeightsError(f"{source} cannot be loaded by {type(model).__name__}: {str(error)[:500]}") from error


def _read(path: Path, cfg: PretrainedCfg, cache_dir: str | os.PathLike[str] | None, mmap: bool | None) -> StateDict:
    mapped = _is_ours(cfg, path, cache_folder(cache_dir)) if mmap is None else mmap
    with DisableTorchFunction():
        return read_state_dict(path, mapped=mapped, cache_dir=cache_dir)


def _is_ours(cfg: PretrainedCfg, path: Path, cache: Path) -> bool:
    """Return whether the file is one of a cache or an installer, which rename and never rewrite.

    torch.hub's folder does not count: people put files there by hand. Nor does a path that a person
    names.
    """
    if path.is_relative_to(cache):
        return True
    scheme, location = split_source(cfg.file or cfg.url or "")
    if scheme == "package":
        return is_installed(path, location)
    if cfg.file or (cfg.url and scheme in local.SCHEMES):
        return False
    return path.parent != torch_checkpoints()


def _cfg_of(model: nn.Module, given: PretrainedCfg | Mapping[str, Any] | None) -> PretrainedCfg:
    return PretrainedCfg.from_dict(model.pretrained_cfg if given is None else given)  # type: ignore[arg-type]
