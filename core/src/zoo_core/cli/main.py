"""The command ``zoo``: its commands, and one line for an error."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from importlib import import_module

from zoo_core.cli.interrupts import repeated_interrupts
from zoo_core.cli.parser import MISTAKE, Parser, add_command, examples, print_error, untranslated
from zoo_core.cli.terminal import guarded_streams, reserved_output
from zoo_core.errors import ZooError, said

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

COMMANDS = ("list", "info", "compare", "download", "lock", "cache", "plugins", "doctor", "completion")
"""The built-in commands, in the order of the help; each is a module of `zoo_core.cli.commands`."""


@untranslated()
def build_parser(*, plugin_commands: bool = False, commands: Sequence[str] = COMMANDS) -> Parser:
    """Build the parser of ``zoo``.

    Args:
        plugin_commands: include the commands of hook plugins, which runs their code.
        commands: only these built-in ones, as each is a module to import.
    """
    parser = Parser(
        prog="zoo",
        description="Find, create and use the model architectures that installed plugins offer.",
        epilog=examples(
            "zoo list --long --sort top1 --max-params 30M",
            "zoo info resnet50 --build",
            "zoo download resnet50.a1_in1k",
            "zoo doctor",
        ),
    )
    parser.add_argument("--version", action="store_true", help="print the version of zoo-core and exit")
    # With its name given, argparse need not format a usage line to find it.
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", prog=parser.prog)
    for name in commands:
        add_command(subparsers, name, import_module(f"{__package__}.commands.zoo_{name}"))
    if plugin_commands:
        from zoo_core.cli.plugin_commands import absent_commands, add_plugin_commands

        add_plugin_commands(subparsers)
        parser.epilog = "\n".join([str(parser.epilog), *absent_commands(subparsers.choices)])
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``zoo`` with `argv` (None: the process's arguments).

    Returns:
        The exit code: the command's, 2 after one line on an error, 130 after Ctrl-C.
    """
    try:
        # torch warns in two lines if NumPy, which nothing here needs, is not installed.
        warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
        if "_ARGCOMPLETE" in os.environ:  # a shell asks for completions
            from zoo_core.cli.commands.zoo_completion import complete

            complete()
        with guarded_streams(), repeated_interrupts():
            return _without_traceback(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return 130


def _without_traceback(argv: Sequence[str]) -> int:
    """Run a command; an error becomes one line and the exit code 2."""
    try:
        try:
            return _run(argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        return 0  # the reader (`zoo list | head`) has seen enough
    except RecursionError:
        print_error("the input is nested too deep")
    except MemoryError:
        print_error("this machine has not enough memory for it")
    except (ZooError, UnicodeError) as error:
        print_error(error)
    except OSError as error:
        where = f"{error.filename!r}: " if error.filename else ""
        print_error(f"{where}{error.strerror or error}")
    return MISTAKE


def parser_for(argv: Sequence[str]) -> Parser:
    """Build the parser for some arguments: with a built-in command, of that alone."""
    word = next((word for word in argv if not word.startswith("-")), None)
    if word in COMMANDS:
        return build_parser(commands=[word])
    return build_parser(plugin_commands="--version" not in argv)


def _run(argv: Sequence[str]) -> int:
    parser = parser_for(argv)
    args = parser.parse_args(argv)
    if args.version:
        from importlib.metadata import version

        print(f"zoo-core {version('zoo-core')}")
        return 0
    if args.command is None:
        parser.print_help()
        return 0
    with reserved_output() if getattr(args, "json", False) else contextlib.nullcontext():
        return _run_command(args)


def _run_command(args: argparse.Namespace) -> int:
    """Run a command, built in or not; an unexpected error becomes one that names its module."""
    try:
        return int(args.command_module.run(args) or 0)
    except SystemExit as exit_:
        if isinstance(exit_.code, str):
            print_error(exit_.code)
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except (ZooError, OSError, UnicodeError, RecursionError, MemoryError):
        raise
    except Exception as error:
        if sys.flags.dev_mode:  # python -X dev -m zoo_core.cli ...: the traceback
            raise
        what = f"the command {args.command!r} of {args.command_module.__name__} failed"
        raise ZooError(f"{what}: {said(error)}") from error
