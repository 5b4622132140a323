"""The commands that this package adds to ``zoo``, and the option ``optimize`` of `create_model`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from zoo_core.errors import OptionError, did_you_mean
from zoo_core.hooks import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

_COMMANDS = ("optimize", "bench")
_OPTIONS = ("tolerance", "backends", "budget_s", "example_input")


@hookimpl
def zoo_add_commands() -> dict[str, str]:
    """Name each command and its module."""
    return {name: f"zoo_inference.commands.zoo_{name}" for name in _COMMANDS}


@hookimpl
def zoo_before_create(options: dict[str, Any]) -> Callable[[nn.Module], nn.Module] | None:
    """Take the option ``optimize``: True, a backend's name, or a dict of `optimize`'s options.

    The model comes in eval mode then. Its example is an image of its default config, unless
    ``example_input`` gives another.
    """
    wanted = options.pop("optimize", None)
    if wanted is None or wanted is False:
        return None
    given = {} if wanted is True else {"backends": wanted} if isinstance(wanted, str) else wanted
    if not isinstance(given, dict):
        raise OptionError(f"optimize is True, a backend's name or a dict of options, not {wanted!r}")
    for name in given:
        if name not in _OPTIONS:
            hint = did_you_mean(str(name), _OPTIONS) or f"; there are {', '.join(_OPTIONS)}"
            raise OptionError(f"optimize has no option {name!r}{hint}")
    return partial(_optimized, given=given)


def _optimized(model: nn.Module, given: dict[str, Any]) -> nn.Module:
    from zoo_inference.examples import example_of
    from zoo_inference.search import optimize

    given = dict(given)
    example = given.pop("example_input", None)
    return optimize(model.eval(), example_of(model) if example is None else example, **given)
