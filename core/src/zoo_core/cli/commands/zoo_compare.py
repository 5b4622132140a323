"""``zoo compare``: what is known of several models, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.cli.output import print_json, print_table
from zoo_core.cli.parser import add_json_option, add_model_argument, examples

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "compare",
        help="show the facts of several models side by side",
        description="Compare models by size, cost, accuracy and feature maps. Runs no code of any plugin.",
        epilog=examples("zoo compare resnet50 densenet121", "zoo compare resnet50.a1_in1k resnet50.tv_in1k --json"),
    )
    add_model_argument(parser, "names", nargs="+", help="a model; without a tag, its default weights")
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    from zoo_core.description import describe, in_percent, short

    rows = describe(dict.fromkeys(args.names))
    if args.json:
        print_json([row.to_dict() for row in rows])
        return 0
    cells: list[tuple[object, ...]] = []
    for row in rows:
        counts = map(short, (row.parameters, row.macs, row.activations))
        best = row.best
        results = (in_percent(best.top1), in_percent(best.top5), best.image_size) if best else ("", "", None)
        cells.append((row.name, *counts, *results, row.license or "not stated"))
    columns = ("model", "params", "macs", "acts", "top-1", "top-5", "at", "licence")
    print_table(columns, cells, drop=("acts", "top-5", "at", "licence", "macs", "params", "top-1"))
    print()
    print_table(("model", "channels/stride of each feature map"), [(row.name, row.shown_maps) for row in rows])
    return 0
