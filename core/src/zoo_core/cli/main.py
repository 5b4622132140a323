"""The command ``zoo``: its subcommands, and what becomes of an error.

Nothing heavy is imported here, nor by a subcommand before it runs: ``zoo --help`` and ``zoo list`` load no torch.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from importlib import import_module
from typing import TYPE_CHECKING

from zoo_core.cli.parser import MISTAKE, Parser, examples, print_error
from zoo_core.cli.plugin_commands import add_commands, missing_tool, run_added
from zoo_core.cli.terminal import guarded_streams, reserved_output
from zoo_core.errors import ZooError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

COMMANDS = ("list", "info", "download", "cache", "plugins", "doctor", "completion")
"""Each a module of `zoo_core.cli.commands`, in the order of the help."""


def command_modules() -> dict[str, ModuleType]:
    """The subcommands by name."""
    return {name: import_module(f"{__package__}.commands.zoo_{name}") for name in COMMANDS}


def build_parser(commands: dict[str, ModuleType] | None = None, *, added: bool = False) -> Parser:
    """The parser of ``zoo`` with every subcommand's.

    Args:
        commands: the subcommands; None for all there are.
        added: ask the hook plugins for more, and put them into `commands`. That runs their code.
    """
    commands = command_modules() if commands is None else commands
    parser = Parser(
        prog="zoo",
        description="Find, create and use the model architectures that installed plugins offer.",
        epilog=examples(
            "zoo list 'resnet*'",
            "zoo info resnet50 --build",
            "zoo download resnet50.a1_in1k",
            "zoo doctor",
        ),
    )
    parser.add_argument("--version", action="store_true", help="print the version of zoo-core and exit")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for module in commands.values():
        module.add_parser(subparsers)
    if added:
        add_commands(subparsers, commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``zoo`` with `argv` (None: the process's) and return its exit code: 0, or 2 with one line that says why."""
    # torch says so in two lines wherever NumPy, which nothing here needs, is not installed.
    warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
    with guarded_streams():
        try:
            return _run(sys.argv[1:] if argv is None else argv)
        except ZooError as error:
            print_error(error)
        except BrokenPipeError:
            return 0  # whoever reads (`zoo list | head`) has seen enough
        except KeyboardInterrupt:
            return 130
        except RecursionError:
            print_error("what was read is nested too deep")
        except MemoryError:
            print_error("this machine has not enough memory for it")
        except OSError as error:
            where = f"{error.filename!r}: " if error.filename else ""
            print_error(f"{where}{error.strerror or error}")
        except UnicodeError as error:
            print_error(error)
        return MISTAKE


def _run(argv: Sequence[str]) -> int:
    try:
        return _dispatch(argv)
    finally:
        sys.stdout.flush()


def _dispatch(argv: Sequence[str]) -> int:
    commands = command_modules()
    word = next((word for word in argv if not word.startswith("-")), None)
    parser = build_parser(commands, added=word not in commands and "--version" not in argv)
    if word is not None and word not in commands and (hint := missing_tool(word)):
        parser.error(hint)
    args = parser.parse_args(argv)
    if args.version:
        from importlib.metadata import version

        print(f"zoo-core {version('zoo-core')}")
        return 0
    if args.command is None:
        parser.print_help()
        return 0
    module = commands[args.command]
    if args.command not in COMMANDS:
        return run_added(module, args)
    with reserved_output() if getattr(args, "json", False) else contextlib.nullcontext():
        return int(module.run(args))
