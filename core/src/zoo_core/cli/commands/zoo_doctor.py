"""``zoo doctor``: everything that is wrong with the installed plugins, each with its remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.cli.parser import add_json_option, examples

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "doctor",
        help="find what is wrong with the installed plugins",
        description="Check plugins, metadata and settings, and say how to repair them. Runs no code of any plugin.",
        epilog=examples("zoo doctor", "zoo doctor --json"),
    )
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Returns 1 if it finds a problem."""
    from zoo_core.cli.commands import zoo_plugins
    from zoo_core.cli.output import print_json
    from zoo_core.discovery.doctor import describe, examine, versions
    from zoo_core.registry import current_index

    index = current_index()
    problems = examine(index)
    if args.json:
        found = [problem._asdict() for problem in problems]
        print_json({"versions": versions(), "plugins": describe(index), "problems": found})
        return int(bool(problems))
    print(", ".join(f"{name} {version}" for name, version in versions().items()) + "\n")
    zoo_plugins.run(args)
    for problem in problems:
        print(f"\nproblem: {problem.what}\n remedy: {problem.remedy}")
    print(f"\n{len(problems)} problem{'s' * (len(problems) != 1)}" if problems else "\nno problems")
    return int(bool(problems))
