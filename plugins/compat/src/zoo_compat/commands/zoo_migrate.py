"""``zoo migrate``: which uses of timm in a code base work with Zoo, and how."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.cli.parser import add_json_option, examples

if TYPE_CHECKING:
    import argparse

    from zoo_compat.migrate import Use


def add_parser(subparsers: Any) -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "migrate",
        help="see which uses of timm in your code work with Zoo",
        description="List each use of timm in Python files, and how it fares with Zoo. Reads the files, runs nothing.",
        epilog=examples(
            "zoo migrate src/", "zoo migrate train.py --all", "zoo migrate src/ --write", "zoo migrate src/ --json"
        ),
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a Python file, or a folder of them")
    parser.add_argument("--all", action="store_true", help="list the uses that work, too")
    parser.add_argument("--write", action="store_true", help="change the imports: timm becomes zoo_core.compat.timm")
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """List the uses, and change the imports where asked to."""
    from zoo_compat.migrate import MEANINGS, python_files, rewrite, uses_in

    files = list(python_files(args.paths))
    uses = [use for path in files for use in uses_in(path)]
    counts = {status: sum(use.status == status for use in uses) for status in MEANINGS}
    unread = {use.path for use in uses if use.status == "unread"}
    written = [path for path in files if path not in unread and rewrite(path)] if args.write else []
    if args.json:
        from zoo_core.cli.output import print_json

        rows = [{**use._asdict(), "path": str(use.path)} for use in uses]
        print_json({"files": len(files), "counts": counts, "uses": rows, "written": [str(path) for path in written]})
        return 0
    _print(uses, show_all=args.all)
    print(f"{len(uses)} uses of timm in {len({use.path for use in uses})} of {len(files)} files")
    for status, count in counts.items():
        if count:
            print(f"  {count:4d}  {MEANINGS[status]}")
    for path in written:
        print(f"changed the imports of {path}")
    if uses and not args.write:
        print("--write changes the imports to zoo_core.compat.timm")
    return 0


def _print(uses: list[Use], *, show_all: bool) -> None:
    from zoo_core.cli.output import print_table

    shown = [use for use in uses if show_all or use.status not in ("works", "compat")]
    if shown:
        rows = [(f"{use.path}:{use.line}", use.name, use.status, use.note) for use in shown]
        print_table(("where", "use", "status", "note"), rows)
