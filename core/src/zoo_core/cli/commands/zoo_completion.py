"""``zoo completion``: shell completion through argcomplete, which asks ``zoo`` itself at every TAB.

The script is static and the answers are current: models, options and commands of plugins that are
installed later complete as well. argcomplete is imported only here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from zoo_core.cli.parser import examples
from zoo_core.errors import MissingExtraError

if TYPE_CHECKING:
    import argparse

SHELLS = ("bash", "zsh", "fish")


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "completion",
        help="print a script that completes commands and model names",
        description="Print a completion script for a shell.",
        epilog=examples('eval "$(zoo completion bash)"', "zoo completion fish > ~/.config/fish/completions/zoo.fish"),
    )
    parser.add_argument("shell", choices=SHELLS, help="which shell")


def run(args: argparse.Namespace) -> int:
    try:
        from argcomplete.shell_integration import shellcode
    except ImportError as error:
        raise MissingExtraError("completion needs argcomplete: pip install 'zoo-core[cli]'") from error
    print(shellcode(["zoo"], shell=args.shell))
    return 0


def complete() -> None:
    """Answer the shell's request in ``COMP_LINE``, and exit."""
    import argcomplete

    from zoo_core.cli.main import parser_for

    words = os.environ.get("COMP_LINE", "").split()[1:]
    argcomplete.autocomplete(parser_for(words), always_complete_options=False)
