"""The hooks: what pluggy plugins can implement, each marked with `zoo_core.hooks.hookimpl`.

An implementation may leave out arguments that it does not need. One that raises is named in the error; an error of
`zoo_core.errors`, which is what it should raise on purpose, reaches the user as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from zoo_core.config import PretrainedCfg
    from zoo_core.discovery.lookup import FoundModel
    from zoo_core.weights.transfer.request import FetchRequest

hookspec = pluggy.HookspecMarker("zoo_core")


@hookspec(firstresult=True)
def zoo_fetch_weights(request: FetchRequest) -> Path | None:
    """Bring weights from one place to a verified local file.

    Called for each place that a default config names, in order; the first path returned is used. Return None for a
    scheme that is not yours, or, with ``request.local_only``, for a file that is not on disk: no socket may be opened
    then. Raise `zoo_core.weights.transfer.request.UnavailableError` where the next place should be tried, another
    `WeightsError` where nothing should.

    The sources in `zoo_core.weights.sources` are implementations, registered by core itself.
    """
    raise NotImplementedError


@hookspec
def zoo_before_create(found: FoundModel, pretrained: bool, options: dict[str, Any]) -> None:
    """Called by `create_model` once the name is resolved, before anything of the model's plugin is imported.

    Change `options`, the constructor's keyword arguments, in place: a site's defaults; or raise an error of
    `zoo_core.errors` to forbid the model: a site's policy. ``options["pretrained_cfg"]`` is the default config.
    """


@hookspec
def zoo_after_create(found: FoundModel, pretrained: bool, model: nn.Module) -> None:
    """Called by `create_model` with the finished model, or its feature extractor: to record, or to change in place."""


@hookspec(firstresult=True)
def zoo_adapt_state_dict(
    state_dict: Mapping[str, Tensor], model: nn.Module, pretrained_cfg: PretrainedCfg
) -> dict[str, Tensor] | None:
    """Give a file's tensors the names that the model has, before channels and classes are adapted.

    Called for every state dict that is loaded. Return a new dict, or None where the names are not of your layout; the
    first dict returned is used. Without one, wrappers' prefixes come off: see `zoo_core.weights.loading.unwrap`.
    """
    raise NotImplementedError


@hookspec
def zoo_add_commands() -> Mapping[str, str]:
    """Add commands to ``zoo``: a name, to the module that has ``add_parser(subparsers)`` and ``run(args) -> int``.

    Asked for when ``zoo`` is called with a command that it does not have itself, or for help. A name that is taken
    already is refused.
    """
    raise NotImplementedError
