"""``zoo search``: the images most like one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from zoo_core.cli.output import print_json, print_table
from zoo_core.cli.parser import add_json_option, examples, positive

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: Any) -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "search",
        help="find the images most like one",
        description="Find the extracted images whose vectors are nearest to an image's, by exact cosine similarity.",
        epilog=examples("zoo search features --like photo.jpg", "zoo search features --like photo.jpg --top 3 --json"),
    )
    parser.add_argument("features", metavar="FOLDER", help="what zoo extract wrote to")
    parser.add_argument("--like", required=True, metavar="IMAGE", help="an image file")
    parser.add_argument("--top", type=positive, default=10, metavar="K", help="how many images (default: 10)")
    parser.add_argument("--feature", metavar="FEATURE", help="which vectors to compare; default: the first extracted")
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Search, and print the nearest images."""
    from zoo_images.nearest import search

    matches = search(args.features, args.like, top=args.top, feature=args.feature)
    if args.json:
        print_json([dataclasses.asdict(match) for match in matches])
    else:
        print_table(("image", "similarity"), [(match.path, match.similarity) for match in matches])
    return 0
