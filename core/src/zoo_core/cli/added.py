"""Commands that hook plugins add to ``zoo``. One that does not work is reported on stderr and left out."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo_core.errors import ZooError

if TYPE_CHECKING:
    from types import ModuleType


def add_commands(subparsers: Any, commands: dict[str, ModuleType]) -> None:
    """Ask the hook plugins for commands, and add them to `subparsers` and, by name, to `commands`."""
    from zoo_core.hooks.manager import hook_manager

    try:
        offers = hook_manager().hook.zoo_add_commands()
    except ZooError as error:
        _report(error)
        return
    for name, module_name in ((name, module) for offer in offers for name, module in dict(offer).items()):
        if name in commands:
            _report(f"the command {name!r} of {module_name} is left out: the name is taken")
            continue
        try:
            module = import_module(module_name)
            module.add_parser(subparsers)
            module.run  # noqa: B018 - without it the command could be listed and not run
        except Exception as error:
            _report(f"the command {name!r} of {module_name} is left out: {type(error).__name__}: {error}")
        else:
            commands[name] = module


def _report(problem: object) -> None:
    print(f"zoo: warning: {problem}", file=sys.stderr)
