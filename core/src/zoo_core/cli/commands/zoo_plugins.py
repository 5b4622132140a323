"""``zoo plugins``: the installed plugins, their versions and states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.cli.parser import add_json_option, examples

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "plugins",
        help="list the installed plugins",
        description="List every entry point of installed plugins. Runs no code of any plugin.",
        epilog=examples("zoo plugins", "zoo plugins --json"),
    )
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    from zoo_core.cli.output import print_json, print_table
    from zoo_core.discovery.doctor import describe
    from zoo_core.registry import current_index

    rows = describe(current_index())
    if args.json:
        print_json(rows)
    elif rows:
        columns = ("distribution", "version", "offers", "models", "state", "path")
        print_table(columns, [_cells(row) for row in rows], drop=("path", "models", "version", "offers"))
    else:
        print("no plugins are installed; try: pip install zoo-resnet")
    return 0


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    if bridge := row.get("bridge"):
        library = bridge["requires"].partition(">=")[0]
        offers = f"bridge to {library} {bridge['installed'] or '(not installed)'}"
        return row["distribution"], row["version"], offers, row["architectures"], row["state"], row["path"]
    kind = row["group"].rpartition(".")[2].removesuffix("s")
    offers = f"{kind} {row['entry_point']}" if row.get("family") is None else f"family {row['family']}"
    return row["distribution"], row["version"], offers, row.get("architectures"), row["state"], row["path"]
