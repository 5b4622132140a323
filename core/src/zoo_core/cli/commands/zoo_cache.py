"""``zoo cache``: list, verify or remove the downloaded weights on this machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from zoo_core.cli.output import format_bytes, print_json, print_table, watched
from zoo_core.cli.parser import add_json_option, examples, print_error

if TYPE_CHECKING:
    import argparse

    from zoo_core.weights.cache.inventory import Item


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "cache",
        help="list, verify or remove downloaded weights",
        description="The weights that Zoo has downloaded, and files in other programs' caches that it uses.",
        epilog=examples(
            "zoo cache list",
            "zoo cache verify 'resnet50*'",
            "zoo cache remove --dry-run",
            "zoo cache remove densenet",
        ),
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    listing = actions.add_parser("list", help="every file, its size and state, and the origin of its hash")
    verify = actions.add_parser(
        "verify", help="read every file again and compare its SHA-256; exit code 1 if one differs"
    )
    remove = actions.add_parser("remove", help="remove partial and rejected files, or those that PATTERNs name")
    path = actions.add_parser("path", help="print the cache's folder")
    for action in (listing, verify, remove):
        action.add_argument(
            "patterns", metavar="PATTERN", nargs="*", help="part of a file's name or address, * allowed"
        )
        add_json_option(action)
    for action in (listing, verify, remove, path):
        action.add_argument("--cache-dir", metavar="DIR", help="another cache than ZOO_CACHE or the platform's")
    remove.add_argument("--all", action="store_true", help="remove complete files, too")
    remove.add_argument("--dry-run", action="store_true", help="only say what would be removed")


def run(args: argparse.Namespace) -> int:
    """Returns 1 if a pattern matches nothing, or `verify` finds damage."""
    from zoo_core.weights.cache.entry import cache_folder
    from zoo_core.weights.cache.inventory import inventory, remove

    folder = cache_folder(args.cache_dir)
    if args.action == "path":
        print(folder)
        return 0
    if args.patterns and not inventory(folder, args.patterns):
        print_error(f"no file in {folder} matches {', '.join(map(repr, args.patterns))}; `zoo cache list` shows them")
        return 1
    if args.action == "verify":
        return _verify(inventory(folder, args.patterns), as_json=args.json)
    if args.action == "remove":
        items = remove(folder, args.patterns, everything=args.all, dry_run=args.dry_run)
        what = "would be removed" if args.dry_run else "removed"
    else:
        items, what = inventory(folder, args.patterns), f"in {folder}"
    if args.json:
        print_json([_described(item) for item in items])
    else:
        rows = [(item.entry.key, format_bytes(item.size), item.state, item.verified_by) for item in items]
        print_table(("file", "size", "state", "verified by"), rows, drop=("verified by", "size", "state"))
        print(f"{len(items)} files, {format_bytes(sum(item.size for item in items))} {what}")
    return 0


def _verify(items: list[Item], *, as_json: bool) -> int:
    from zoo_core.weights.cache.inventory import damage, set_aside

    kept = [item for item in items if item.state in ("whole", "elsewhere")]
    found = [(item, damage(item)) for item in watched(kept, "verify", shown=not as_json)]
    damaged = [(item, problem) for item, problem in found if problem]
    renamed = [set_aside(item) for item, _ in damaged]
    if as_json:
        print_json([{**_described(item), "damage": problem} for item, problem in found])
        return 1 if damaged else 0
    for (item, problem), moved in zip(damaged, renamed, strict=True):
        remedy = "renamed, and fetched again when it is needed" if moved else "left where it is"
        print(f"{item.path}: damaged ({problem}); {remedy}", file=sys.stderr)
    print(f"{len(found) - len(damaged)} of {len(found)} files are as they were fetched")
    return 1 if damaged else 0


def _described(item: Item) -> dict[str, Any]:
    receipt = item.receipt
    return {
        "file": item.entry.key,
        "path": str(item.path),
        "state": item.state,
        "size": item.size,
        "url": receipt.url if receipt else None,
        "sha256": receipt.sha256 if receipt else None,
        "verified_by": item.verified_by,
    }
