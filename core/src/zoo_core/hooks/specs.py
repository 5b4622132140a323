"""The hooks that plugins can implement, with functions marked `zoo_core.hooks.hookimpl`.

An implementation may omit arguments that it does not need. On purpose it raises errors of
`zoo_core.errors`, which reach the user unchanged; any other error names the plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from zoo_core.config import PretrainedCfg
    from zoo_core.description import Descriptions
    from zoo_core.discovery.lookup import FoundModel
    from zoo_core.weights.transfer.request import FetchRequest

hookspec = pluggy.HookspecMarker("zoo_core")


@hookspec(firstresult=True)
def zoo_fetch_weights(request: FetchRequest) -> Path | None:
    """Fetch weights from one source to a verified local file, and return its path.

    Called for each source that a default config names, in order; the first path is used. Return
    None for a scheme that is not yours, or, with ``request.local_only``, for a file that is not on
    disk: do not open a socket then. Raise `zoo_core.weights.transfer.request.UnavailableError` to
    have the next source tried, another `WeightsError` to end the search.

    `zoo_core.weights.sources` has core's implementations.
    """
    raise NotImplementedError


@hookspec
def zoo_before_create(
    found: FoundModel, pretrained: bool, options: dict[str, Any]
) -> Callable[[nn.Module], nn.Module] | None:
    """Change the options of a model, or forbid it, before its plugin is imported.

    Called by `create_model` with the resolved name. Change `options`, the constructor's keyword
    arguments, in place for a site's defaults; raise an error of `zoo_core.errors` for a site's
    policy. ``options["pretrained_cfg"]`` is the default config. A plugin with an option of its own
    takes it out of `options`, and returns a function from the finished model to the one that
    `create_model` returns; None changes nothing.
    """
    raise NotImplementedError


@hookspec
def zoo_after_create(found: FoundModel, pretrained: bool, model: nn.Module) -> None:
    """Record a finished model or feature extractor of `create_model`, or change it in place."""


@hookspec(firstresult=True)
def zoo_adapt_state_dict(
    state_dict: Mapping[str, Tensor], model: nn.Module, pretrained_cfg: PretrainedCfg
) -> dict[str, Tensor] | None:
    """Rename a file's tensors to the model's names, before channels and classes are adapted.

    Called for every state dict that is loaded. Return a new dict, or None for other layouts; the
    first dict returned is used. Without one, `zoo_core.weights.loading.unwrap` takes prefixes of
    wrappers off.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def zoo_draw_models(models: Descriptions, over: str, path: str) -> bool | None:
    """Draw the accuracy of models over what they cost into an image file, and return True.

    Called by ``zoo list --plot``. `over` is ``"params"`` or ``"macs"``; models without an accuracy
    or that figure are left out.
    """
    raise NotImplementedError


@hookspec
def zoo_add_commands() -> Mapping[str, str]:
    """Add commands to ``zoo``: a name, to its module, of the form that `zoo_core.cli.commands` has.

    Called for help and for a command that is not built in. A name that is taken is refused.
    """
    raise NotImplementedError
