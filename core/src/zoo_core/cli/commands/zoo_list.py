"""``zoo list``: names of models, from manifests alone, and what people choose them by."""

from __future__ import annotations

import sys

from zoo_core.cli.parser import add_json_option, count, examples, percent, print_warning
from zoo_core.errors import OptionError, ZooError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from zoo_core.config import PretrainedCfg
    from zoo_core.description import Description, Descriptions


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "list",
        help="list the models that installed plugins offer, and choose among them",
        description="List names of models, one a line, in natural order. Runs no code of any plugin.",
        epilog=examples(
            "zoo list",
            "zoo list 'resnet*' --exclude '*_gn' --tags",
            "zoo list --pretrained --family densenet --family xception",
            "zoo list --long --sort top1 --max-params 30M --license permissive",
            "zoo list --min-top1 80 --plot accuracy.png",
            "zoo list 'zoo-timm/resnet*'",
            "zoo list --families",
        ),
    )
    parser.add_argument(
        "patterns", metavar="PATTERN", nargs="*", help="shell patterns, in quotes, such as 'resnet*' or 'zoo-timm/*'"
    )
    parser.add_argument("--exclude", action="append", default=[], metavar="PATTERN", help="leave these out; repeatable")
    parser.add_argument("--family", action="append", default=[], metavar="FAMILY", help="only this family; repeatable")
    parser.add_argument("--module", action="append", default=[], metavar="MODULE", help="only this module; repeatable")
    parser.add_argument("--pretrained", action="store_true", help="only those with weights, with their tags")
    parser.add_argument("--long", action="store_true", help="of those with weights, say size, accuracy, licence")
    parser.add_argument("--tags", action="store_true", help="list every tag")
    parser.add_argument(
        "--families", action="store_true", help="list the families of such models; patterns are of these"
    )
    add_choice_options(parser)
    add_json_option(parser)


def add_choice_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose by facts and results; what lacks the figure is left out."""
    parser.add_argument("--max-params", type=count, metavar="N", help="at most so many parameters: 30M")
    parser.add_argument("--max-macs", type=count, metavar="N", help="at most so many multiply-adds: 5G")
    parser.add_argument("--min-top1", type=percent, metavar="PERCENT", help="weights of this ImageNet-1k accuracy: 80")
    parser.add_argument("--license", default="", metavar="LICENCES", help="weights of these licences: permissive,mit")
    parser.add_argument("--sort", choices=("top1", "params", "macs", "activations"), help="best first, not by name")
    parser.add_argument("--plot", metavar="FILE", help="draw accuracy over cost into FILE, a PNG (needs zoo-images)")
    parser.add_argument("--over", choices=("params", "macs"), help="the cost that --plot draws; default: params")


def run(args: argparse.Namespace) -> int:
    """Returns 1 if there is no name, as grep does."""
    from zoo_core.registry import list_models

    weights = args.pretrained or args.long or args.license or args.plot or args.sort == "top1"
    weights = bool(weights or args.min_top1 is not None)
    if args.families:
        names = families(args)
    else:
        names = list_models(
            args.patterns,
            family=args.family,
            module=args.module,
            pretrained=weights,
            include_tags=args.tags or weights,
            exclude_filters=args.exclude,
        )
    names, rows = chosen(names, args)
    if args.plot and rows:
        draw(rows, args.over or "params", args.plot)
    if args.long and rows is not None:
        print_long(rows, as_json=args.json)
    elif args.json:
        from zoo_core.cli.output import print_json

        print_json(names)
    elif names:
        print("\n".join(names))
    if not names:
        print("zoo: no model matches; `zoo plugins` shows what is installed", file=sys.stderr)
    return int(not names)


def families(args: argparse.Namespace) -> list[str]:
    """The families whose names match, each with a model of the wanted modules and weights."""
    from fnmatch import fnmatchcase

    from zoo_core.registry import list_families, list_models

    def matches(name: str, patterns: list[str]) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in patterns)

    named = [name for name in list_families() if matches(name, args.patterns or ["*"])]
    named = [name for name in named if name in (args.family or named) and not matches(name, args.exclude)]
    if not (args.module or args.pretrained):
        return named
    return [name for name in named if list_models(family=name, module=args.module, pretrained=args.pretrained)]


def chosen(names: list[str], args: argparse.Namespace) -> tuple[list[str], Descriptions | None]:
    """Choose among the names by facts, in the wanted order; no facts are read unless asked for."""
    bounds = {"max_params": args.max_params, "max_macs": args.max_macs, "min_top1": args.min_top1}
    wanted = {**bounds, "license": args.license, "sort": args.sort or ""}
    asked = [name for name, value in wanted.items() if value not in (None, "")] + ["plot"] * bool(args.plot)
    if args.families and (of_models := [*asked, *["tags"] * args.tags, *["long"] * args.long]):
        raise OptionError(f"--families lists families, and takes no --{of_models[0].replace('_', '-')}")
    if args.over and not args.plot:
        raise OptionError("--over says what --plot draws: give --plot FILE too")
    if args.families or not (args.long or asked):
        return names, None
    from zoo_core.description import Descriptions, describe

    described, listed = Descriptions(), {}
    for name in names:
        try:
            described.append(known := describe(name))
            listed[known.name] = name
        except ZooError as error:  # a fault of one plugin must not hide the others' rows
            print_warning(error)
    rows = described.select(**wanted)
    return [listed[row.name] for row in rows], rows


def draw(rows: Descriptions, over: str, path: str) -> None:
    """Have the models drawn by the package that can.

    Raises:
        ZooError: if it is not installed.
    """
    from zoo_core.cli.plugin_commands import missing_tool
    from zoo_core.hooks.manager import hook_manager

    if not hook_manager().hook.zoo_draw_models(models=rows, over=over, path=path):
        raise ZooError(missing_tool("list --plot"))


def print_long(rows: Descriptions, *, as_json: bool) -> None:
    """Print a row for each set of weights: its facts, and whether it is on this machine."""
    from zoo_core.cli.output import format_bytes, print_json, print_table
    from zoo_core.description import in_percent, short
    from zoo_core.registry import get_pretrained_cfg

    if as_json:
        print_json([{**row.to_dict(), **on_disk(row, get_pretrained_cfg(row.name))} for row in rows])
        return
    cells = []
    for row in rows:
        file = on_disk(row, get_pretrained_cfg(row.name))
        size = None if file["bytes"] is None else format_bytes(file["bytes"])
        disk = "yes" if file["on_disk"] else "no"
        cells.append((row.name, short(row.parameters), short(row.macs), in_percent(row.top1), size, disk, row.license))
    columns = ("weights", "params", "macs", "top-1", "size", "disk", "licence")
    print_table(columns, cells, drop=("disk", "size", "macs", "licence", "params", "top-1"))


def on_disk(row: Description, cfg: PretrainedCfg | None) -> dict[str, Any]:
    """Whether there is a file of the weights on this machine, and the bytes that it has."""
    from zoo_core.weights.fetch import cached_path

    file = cached_path(cfg) if cfg else None
    return {"on_disk": file is not None, "bytes": file.stat().st_size if file else row.bytes}
