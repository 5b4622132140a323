"""``zoo list``: names of models, from the plugins' manifests alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from zoo_core.cli.parser import add_json_option, examples

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: Any) -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "list",
        help="list the models that installed plugins offer",
        description="List names of models, one a line, in natural order. Runs no code of any plugin.",
        epilog=examples(
            "zoo list",
            "zoo list 'resnet*' --exclude '*_gn' --tags",
            "zoo list --pretrained --family densenet --family xception",
            "zoo list --families",
        ),
    )
    parser.add_argument("patterns", metavar="PATTERN", nargs="*", help="shell patterns, in quotes; default: all")
    parser.add_argument("--exclude", action="append", default=[], metavar="PATTERN", help="leave these out; repeatable")
    parser.add_argument("--family", action="append", default=[], metavar="FAMILY", help="only this family; repeatable")
    parser.add_argument("--module", action="append", default=[], metavar="MODULE", help="only this module; repeatable")
    parser.add_argument("--pretrained", action="store_true", help="only those with weights, with their tags")
    parser.add_argument("--tags", action="store_true", help="list every tag")
    parser.add_argument("--families", action="store_true", help="list the families instead")
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Print the names; 1 when there is none, as grep."""
    from zoo_core.registry import list_families, list_models

    if args.families:
        names = list_families()
    else:
        names = list_models(
            args.patterns,
            family=args.family,
            module=args.module,
            pretrained=args.pretrained,
            include_tags=args.tags or args.pretrained,
            exclude_filters=args.exclude,
        )
    if args.json:
        from zoo_core.cli.output import print_json

        print_json(names)
    elif names:
        print("\n".join(names))
    if not names:
        print("zoo: no model matches; `zoo plugins` shows what is installed", file=sys.stderr)
    return int(not names)
