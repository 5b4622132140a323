"""Commands that hook plugins add to ``zoo``. One that does not work is reported on stderr and left out."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo_core.cli.parser import Parser, foreign_code, print_error, print_warning
from zoo_core.config_fields import shortened
from zoo_core.errors import PluginError
from zoo_core.names import is_architecture

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from types import ModuleType


def add_commands(subparsers: Any, commands: dict[str, ModuleType]) -> None:
    """Ask the hook plugins for commands, and add them to `subparsers` and, by name, to `commands`.

    What they print meanwhile goes to stderr.
    """
    with contextlib.redirect_stdout(sys.stderr):
        for name, target in _offers():
            if name in commands:
                print_warning(f"the command {name!r} of {target} is left out: the name is taken")
                continue
            try:
                module = import_module(target)
                _rehearse(module, name)
                module.add_parser(subparsers)
            except (Exception, SystemExit) as error:
                print_warning(f"the command {name!r} of {target} is left out: {type(error).__name__}: {error}")
            else:
                commands[name] = module


def missing_tool(command: str) -> str:
    """Say which package offers a command that is not there, or which variable keeps it out; empty if none is known."""
    from zoo_core.discovery.catalogue import known_commands
    from zoo_core.registry import current_index

    if (distribution := known_commands().get(command)) is None:
        return ""
    index = current_index()
    if variable := index.selection.excludes(distribution):
        return f"the command {command!r} is in {distribution}, which {variable} keeps out"
    if any(entry.distribution == distribution for entry in index.hooks):
        return f"the command {command!r} is in {distribution}, which does not work: see zoo doctor"
    return f"the command {command!r} is in {distribution}: pip install {distribution}"


def run_added(module: ModuleType, args: argparse.Namespace) -> int:
    """Run an added command. Returns its exit code, 0 where it gives none.

    Raises:
        ZooError: naming the command, when it fails.
    """
    with foreign_code(f"the command {args.command!r} of {module.__name__} failed"):
        try:
            return int(module.run(args) or 0)
        except SystemExit as exit_:  # its way to say its exit code
            if isinstance(exit_.code, str):
                print_error(exit_.code)
            return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)


def _offers() -> Iterator[tuple[str, str]]:
    """(name, module) of every command that is offered in earnest; the rest is reported, plugin by plugin."""
    from zoo_core.hooks.manager import call_each, hook_problems

    for plugin, problem in hook_problems().items():
        print_warning(f"hook plugin {plugin} is left out: {problem}")
    for plugin, offer in call_each("zoo_add_commands"):
        if isinstance(offer, PluginError):
            print_warning(offer)
        elif not isinstance(offer, Mapping):
            print_warning(
                f"hook plugin {plugin} adds no commands: {shortened(offer)} is no mapping of names to modules"
            )
        else:
            for name, target in offer.items():
                if not isinstance(name, str) or not is_architecture(name) or name.startswith("-"):
                    print_warning(f"hook plugin {plugin} adds a command that cannot be named {shortened(name)}")
                elif not isinstance(target, str) or not target:
                    print_warning(f"hook plugin {plugin} names no module for {name!r}, but {shortened(target)}")
                else:
                    yield name, target


def _rehearse(module: Any, name: str) -> None:
    """Have the module add its parser to one that is thrown away: a fault in it must not spoil the help of all."""
    parser = Parser(prog="zoo")
    subparsers = parser.add_subparsers()
    module.add_parser(subparsers)
    if list(subparsers.choices) != [name]:
        raise TypeError(f"its add_parser adds {shortened(list(subparsers.choices))}, not {name!r}")
    parser.format_help()
    subparsers.choices[name].format_help()
    if not callable(module.run):
        raise TypeError("its run cannot be called")
