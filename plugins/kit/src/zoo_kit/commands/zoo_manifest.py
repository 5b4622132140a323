"""``zoo manifest``: a plugin's models.json and the files beside it, from its tables."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from zoo_core.cli.parser import examples

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: Any) -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "manifest",
        help="write the manifest of a plugin that you develop",
        description="Write models.json, configs.json and facts.json into a plugin's package, from the Family that it "
        "declares.",
        epilog=examples("zoo manifest zoo_resnet", "zoo manifest zoo_resnet --check"),
    )
    parser.add_argument("packages", nargs="+", metavar="PACKAGE", help="importable package, such as zoo_resnet")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is out of date")


def run(args: argparse.Namespace) -> int:
    """Write the files, or check them. Returns 1 if a check finds a file out of date."""
    from zoo_kit.manifest.write import write_manifest

    stale = False
    for package in args.packages:
        for path in write_manifest(package, check=args.check):
            stale = args.check
            print(
                f"out of date: {path}" if args.check else f"wrote {path}", file=sys.stderr if args.check else sys.stdout
            )
    if stale:
        print(f"run: zoo manifest {' '.join(args.packages)}", file=sys.stderr)
    return int(stale)
