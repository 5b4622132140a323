"""``zoo new``: a new plugin, with an example network or around an existing one."""

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
            "zoo new vgg --from torchvision.models.vgg:vgg16",
        ),
    )
    parser.add_argument("name", metavar="NAME", help="acme gives the distribution zoo-acme and the package zoo_acme")
    parser.add_argument(
        "--architecture", action="append", default=[], metavar="NAME", help="default: NAME_tiny; may be repeated"
    )
    parser.add_argument(
        "--from", dest="source", metavar="FILE.py:CLASS", help="wrap this torch.nn.Module; or package.module:CLASS"
    )
    add_input_size_option(parser)
    parser.add_argument("--license", default="Apache-2.0", metavar="SPDX", help="of your code; default: Apache-2.0")
    parser.add_argument("--url", default="", metavar="URL", help="of its repository, for pyproject.toml")
    parser.add_argument(
        "--directory", type=Path, default=Path(), metavar="DIR", help="where its folder is made; default: here"
    )


def run(args: argparse.Namespace) -> int:
    """Write the plugin, and print the next steps. Returns 1 if it does not conform yet."""
    from zoo_core.errors import OptionError

    from zoo_kit.scaffold.licence import spdx, text_of
    from zoo_kit.scaffold.names import names_of, refuse_taken, warnings_of
    from zoo_kit.scaffold.write import values_of, write_plugin

    names = names_of(args.name, args.architecture)
    refuse_taken(names)
    licence = spdx(args.license)
    if args.url and not args.url.startswith("https://"):
        raise OptionError(f"--url {args.url!r}: expected an address that begins with https://")
    values = values_of(names, licence=licence, url=args.url)
    text, whole = text_of(licence, names.distribution)
    replaced = {"LICENSE": text.replace("$", "$$")}
    if args.source is not None:
        from zoo_kit.scaffold.wrap import wrap

        more, wrapped = wrap(args.source, names, args.input_size)
        values |= more
        replaced |= wrapped
    elif args.input_size:
        raise OptionError("--input-size belongs to --from: a new network takes images of any size")
    folder = args.directory / names.distribution
    files = write_plugin(folder, names, values, replaced)
    failed: list[dict[str, Any]] = []
    if args.source is not None:
        from zoo_kit.scaffold.trial import failures
        from zoo_kit.scaffold.wrap import claim_programs
        from zoo_kit.scaffold.write import importable

        with importable(folder / "src", names.package):
            claim_programs(names.package, names.architectures[0], folder / "src" / names.package / "model.py")
        failed = failures(folder, names)
    print(f"wrote {folder}, {len(files)} files" + (", which do not conform yet" if failed else ""))
    notes = [*values.get("notes", "").splitlines(), *warnings_of(names)]
    if not whole:
        notes.append(f"the text of {licence} is not at hand: put it into {folder / 'LICENSE'}")
    for line in notes:
        print(f"  {line}")
    for check in failed:
        print(f"  FAILED {check['check']}", *(f"\n    - {problem}" for problem in check["problems"][:3]), end="")
        print(f"\n    remedy: {check['remedy']}")
    print(f"next: pip install --editable {folder}\n      zoo check {names.distribution}")
    return int(bool(failed))
