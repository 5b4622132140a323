"""``zoo verify``: compute some extracted features again, and compare."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from zoo_core.cli.output import print_json
from zoo_core.cli.parser import add_json_option, examples, positive

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: Any) -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "verify",
        help="compute some extracted features again, and compare",
        description="Compute randomly drawn batches of an output of zoo extract again, and compare them bit for bit.",
        epilog=examples("zoo verify features", "zoo verify features --batches 50 --json"),
    )
    parser.add_argument("output", metavar="FOLDER", help="what zoo extract wrote to")
    parser.add_argument("--batches", type=positive, default=4, metavar="N", help="how many batches (default: 4)")
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Verify, and report; 1 when a row is another now or the output is not whole."""
    from zoo_images.extraction.verify import verify

    result = verify(args.output, batches=args.batches)
    if args.json:
        print_json(dataclasses.asdict(result))
    else:
        print(f"{result.images:,} images computed again: {len(result.differing):,} differ")
        print("".join(f"  differs: {name}\n" for name in result.differing[:20]), end="")
        if result.missing:
            print(f"{result.missing:,} shards are not there yet: run zoo extract again")
    return int(bool(result.differing or result.missing))
