"""``zoo list``: names of models, from manifests alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from zoo_core.cli.parser import add_json_option, examples, print_warning

if TYPE_CHECKING:
    import argparse

    from zoo_core.config import PretrainedCfg


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "list",
        help="list the models that installed plugins offer",
        description="List names of models, one a line, in natural order. Runs no code of any plugin.",
        epilog=examples(
            "zoo list",
            "zoo list 'resnet*' --exclude '*_gn' --tags",
            "zoo list --pretrained --family densenet --family xception",
            "zoo list --long 'resnet50*'",
            "zoo list --families",
        ),
    )
    parser.add_argument("patterns", metavar="PATTERN", nargs="*", help="shell patterns, in quotes; default: all")
    parser.add_argument("--exclude", action="append", default=[], metavar="PATTERN", help="leave these out; repeatable")
    parser.add_argument("--family", action="append", default=[], metavar="FAMILY", help="only this family; repeatable")
    parser.add_argument("--module", action="append", default=[], metavar="MODULE", help="only this module; repeatable")
    parser.add_argument("--pretrained", action="store_true", help="only those with weights, with their tags")
    parser.add_argument("--long", action="store_true", help="of those with weights, say size, licence, origin, paper")
    parser.add_argument("--tags", action="store_true", help="list every tag")
    parser.add_argument("--families", action="store_true", help="list the families instead")
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Returns 1 if there is no name, as grep does."""
    from zoo_core.registry import list_families, list_models

    if args.families:
        names = list_families()
    else:
        names = list_models(
            args.patterns,
            family=args.family,
            module=args.module,
            pretrained=args.pretrained or args.long,
            include_tags=args.tags or args.pretrained or args.long,
            exclude_filters=args.exclude,
        )
    if args.long and not args.families:
        print_long(names, as_json=args.json)
    elif args.json:
        from zoo_core.cli.output import print_json

        print_json(names)
    elif names:
        print("\n".join(names))
    if not names:
        print("zoo: no model matches; `zoo plugins` shows what is installed", file=sys.stderr)
    return int(not names)


def print_long(names: list[str], *, as_json: bool) -> None:
    """Print a row for each set of weights, from its default config and the caches."""
    from zoo_core.cli.commands.zoo_info import size_on_disk
    from zoo_core.cli.output import print_json, print_table
    from zoo_core.errors import ZooError
    from zoo_core.registry import get_pretrained_cfg

    rows = []
    for name in names:
        try:
            if cfg := get_pretrained_cfg(name):
                rows.append(describe_weights(name, cfg))
        except ZooError as error:  # a fault of one plugin must not hide the others' rows
            print_warning(error)
    if as_json:
        print_json(rows)
        return
    cells = [(row["name"], *size_on_disk(row), row["license"], row["origin"], ", ".join(row["paper"])) for row in rows]
    print_table(("weights", "size", "on disk", "licence", "origin", "paper"), cells)


def describe_weights(name: str, cfg: PretrainedCfg) -> dict[str, Any]:
    """The size, presence on this machine, licence, origin and papers of one set of weights."""
    from zoo_core.weights.fetch import cached_path

    file = cached_path(cfg)
    return {
        "name": name,
        "bytes": file.stat().st_size if file else cfg.size,
        "on_disk": file is not None,
        "license": cfg.license,
        "origin": cfg.origin_url,
        "paper": [cfg.paper_ids] if isinstance(cfg.paper_ids, str) else list(cfg.paper_ids or ()),
    }
