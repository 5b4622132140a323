"""``zoo new``: write a new plugin, with a network of its own or around an existing one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.cli.parser import add_input_size_option, examples

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: Any) -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "new",
        help="write a new plugin",
        description="Write a complete plugin: package, manifest, tests, CI; with --from, around a torch.nn.Module.",
        epilog=examples(
            "zoo new acme",
            "zoo new acme --architecture acme_s --architecture acme_m --license MIT",
            "zoo new acme --from research/net.py:AcmeNet",
        ),
    )
    parser.add_argument("name", metavar="NAME", help="acme gives the distribution zoo-acme and the package zoo_acme")
    parser.add_argument(
        "--architecture", action="append", default=[], metavar="NAME", help="default: NAME_tiny; may be repeated"
    )
    parser.add_argument("--from", dest="source", metavar="FILE.py:CLASS", help="wrap this torch.nn.Module")
    add_input_size_option(parser)
    parser.add_argument("--license", default="Apache-2.0", metavar="SPDX", help="of your code; default: Apache-2.0")
    parser.add_argument(
        "--directory", type=Path, default=Path(), metavar="DIR", help="where its folder is made; default: here"
    )


def run(args: argparse.Namespace) -> int:
    """Write the plugin, and say what to do next."""
    from zoo_core.errors import OptionError
    from zoo_core.scaffold.names import names_of
    from zoo_core.scaffold.write import values_of, write_plugin

    names = names_of(args.name, args.architecture)
    values = values_of(names, licence=args.license)
    replaced: dict[str, str] = {}
    if args.source is not None:
        from zoo_core.scaffold.wrap import wrap

        more, replaced = wrap(args.source, names, args.input_size)
        values |= more
    elif args.input_size:
        raise OptionError("--input-size belongs to --from: a new network takes images of any size")
    folder = args.directory / names.distribution
    files = write_plugin(folder, names, values, replaced)
    if args.source:
        from zoo_core.scaffold.wrap import claim_programs
        from zoo_core.scaffold.write import importable

        with importable(folder / "src", names.package):
            claim_programs(names.package, names.architectures[0], folder / "src" / names.package / "model.py")
    print(f"wrote {folder}, {len(files)} files")
    for line in values.get("notes", "").splitlines():
        print(f"  {line}")
    print(f"next: pip install --editable {folder}\n      zoo check {names.distribution}")
    return 0
