"""Commands that hook plugins add to ``zoo``. A broken one is reported on stderr and left out."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo_core.cli.parser import Parser, add_command, print_warning
from zoo_core.config_fields import shortened
from zoo_core.discovery.catalogue import known_commands
from zoo_core.errors import PluginError, said
from zoo_core.names import is_architecture

if TYPE_CHECKING:
    from collections.abc import Container, Iterator


def add_plugin_commands(subparsers: Any) -> None:
    """Add the parsers of the hook plugins' commands. What they print meanwhile goes to stderr."""
    with contextlib.redirect_stdout(sys.stderr):
        for name, target in _offers():
            if name in subparsers.choices:
                print_warning(f"the command {name!r} of {target} is left out: the name is taken")
                continue
            try:
                module = import_module(target)
                _rehearse(module, name)
                add_command(subparsers, name, module)
            except (Exception, SystemExit) as error:
                print_warning(f"the command {name!r} of {target} is left out: {said(error)}")


def missing_tool(command: str) -> str:
    """Name the package of a known command or option that is not here, with the remedy; else ""."""
    distribution = {**known_commands(), **known_commands("options")}.get(command)
    return f"the command {command!r} is in {distribution}{_remedy(distribution)}" if distribution else ""


def absent_commands(present: Container[str]) -> list[str]:
    """A line for the help on each known package whose commands are not `present`."""
    absent: dict[str, list[str]] = {}
    for command, distribution in known_commands().items():
        if command not in present:
            absent.setdefault(distribution, []).append(command)
    return [f"not here: {', '.join(names)}, in {package}{_remedy(package)}" for package, names in absent.items()]


def _remedy(distribution: str) -> str:
    from zoo_core.registry import current_index

    index = current_index()
    if variable := index.selection.excludes(distribution):
        return f", which {variable} keeps out"
    if any(entry.distribution == distribution for entry in index.hooks):
        return ", which does not work: see zoo doctor"
    return f": pip install {distribution}"


def _offers() -> Iterator[tuple[str, str]]:
    """Yield (name, module) of every command with a valid name; the others are reported."""
    from zoo_core.hooks.manager import call_each, hook_problems

    for plugin, problem in hook_problems().items():
        print_warning(f"hook plugin {plugin} is left out: {problem}")
    for plugin, offer in call_each("zoo_add_commands"):
        if isinstance(offer, PluginError):
            print_warning(offer)
            continue
        if not isinstance(offer, Mapping):
            what = f"{shortened(offer)} is no mapping of names to modules"
            print_warning(f"hook plugin {plugin} adds no commands: {what}")
            continue
        for name, target in offer.items():
            if not isinstance(name, str) or not is_architecture(name) or name.startswith("-"):
                print_warning(f"hook plugin {plugin} adds a command that cannot be named {shortened(name)}")
            elif not isinstance(target, str) or not target:
                print_warning(f"hook plugin {plugin} names no module for {name!r}, but {shortened(target)}")
            else:
                yield name, target


def _rehearse(module: Any, name: str) -> None:
    """Try the module with a temporary parser first: a fault must not spoil the whole help."""
    parser = Parser(prog="zoo")
    subparsers = parser.add_subparsers()
    module.add_parser(subparsers)
    if list(subparsers.choices) != [name]:
        raise TypeError(f"its add_parser adds {shortened(list(subparsers.choices))}, not {name!r}")
    parser.format_help()
    subparsers.choices[name].format_help()
    if not callable(module.run):
        raise TypeError("its run cannot be called")
