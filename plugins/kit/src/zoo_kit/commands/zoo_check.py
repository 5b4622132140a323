"""``zoo check``: the conformance kit over a plugin, installed or as a wheel."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from zoo_core.cli.parser import add_json_option, examples

if TYPE_CHECKING:
    import argparse

    from zoo_kit.conformance.check import Result

_MARKS = {"passed": "ok", "failed": "FAILED", "skipped": "-", "exempt": "exempt"}


def add_parser(subparsers: Any) -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "check",
        help="check that a plugin keeps what plugins promise",
        description="Run the conformance kit over an installed plugin, or over a wheel in an environment of its own.",
        epilog=examples(
            "zoo check zoo-acme",
            "zoo check dist/zoo_acme-0.1.0-py3-none-any.whl",
            "zoo check zoo-acme --only manifest --only feature-info",
            "zoo check zoo-acme --also 'acme_*' --json",
            "zoo check --list",
        ),
    )
    parser.add_argument(
        "plugin", nargs="?", metavar="PLUGIN", help="a distribution, such as zoo-acme, or a wheel's path"
    )
    parser.add_argument("--only", action="append", metavar="CHECK", help="only this check; may be repeated")
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="PATTERN",
        help="build and run these architectures too, beside the small ones; may be repeated",
    )
    parser.add_argument(
        "--exempt",
        action="append",
        default=[],
        metavar="CHECK=REASON",
        help="do not run this check; lasting ones belong into [tool.zoo.exempt] of the plugin's pyproject.toml",
    )
    parser.add_argument("--list", action="store_true", help="list the checks, and why they are there")
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Run the checks and report them. Returns 1 if a check failed."""
    from zoo_core.errors import OptionError

    if args.list:
        return _list(as_json=args.json)
    if not args.plugin:
        raise OptionError("say which plugin to check: zoo check zoo-acme")
    if args.plugin.endswith(".whl"):
        from zoo_kit.conformance.wheel import check_wheel

        return check_wheel(args.plugin, _options(args))
    from zoo_kit.conformance.run import run_checks

    results = []
    exempt = {name: reason for name, _, reason in (word.partition("=") for word in args.exempt)}
    for result in run_checks(args.plugin, args.only, also=args.also, exempt=exempt):
        results.append(result)
        if not args.json:
            _print(result)
    failed = [result for result in results if result.outcome == "failed"]
    if args.json:
        from zoo_core.cli.output import print_json

        print_json({"plugin": args.plugin, "conforms": not failed, "checks": [result.to_json() for result in results]})
    else:
        counts = {outcome: sum(result.outcome == outcome for result in results) for outcome in _MARKS}
        shown = [f"{count} {outcome}" for outcome, count in counts.items() if count or outcome != "exempt"]
        print(f"\n{args.plugin}: " + ", ".join(shown))
    return int(bool(failed))


def _print(result: Result) -> None:
    """Print one line for a check, and the whole text of a failure."""
    why = f"  ({result.problems[0]})" if result.outcome in ("skipped", "exempt") else ""
    print(f"{_MARKS[result.outcome]:>6}  {result.check.name}{why}")
    if result.outcome == "failed":
        print("".join(f"        {line.removeprefix('  ')}\n" for line in result.text().splitlines()[1:]), end="")
    sys.stdout.flush()


def _list(*, as_json: bool) -> int:
    from zoo_core.cli.output import print_json, print_table

    from zoo_kit.conformance.run import checks

    if as_json:
        print_json([{"check": c.name, "reason": c.reason, "remedy": c.remedy, "scope": c.scope} for c in checks()])
    else:
        print_table(("check", "why"), [(c.name, c.reason) for c in checks()])
    return 0


def _options(args: argparse.Namespace) -> list[str]:
    """Return the options as words, for the process that checks a wheel."""
    words = [word for name in args.only or () for word in ("--only", name)]
    words += [word for pattern in args.also for word in ("--also", pattern)]
    words += [word for exemption in args.exempt for word in ("--exempt", exemption)]
    return [*words, *(["--json"] if args.json else [])]
