"""``zoo download``: fetch the weights of models before they are needed, several at once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from zoo_core.cli.output import print_json
from zoo_core.cli.parser import MISTAKE, add_json_option, add_model_argument, examples, positive, print_error

if TYPE_CHECKING:
    import argparse

    from zoo_core.config import PretrainedCfg


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "download",
        help="fetch the weights of models into the cache",
        description="Fetch and verify the weights of one or more models, so that they can be used offline.",
        epilog=examples(
            "zoo download resnet50.a1_in1k",
            "zoo download resnet18 densenet121 hf-hub:org/repo --jobs 2",
            "zoo download --frozen",
        ),
    )
    add_model_argument(parser, "names", nargs="*", help="a model; without a tag, its default weights")
    parser.add_argument(
        "--frozen", action="store_true", help="only as the lock has it (ZOO_LOCK, else zoo.lock); no NAME: all of it"
    )
    parser.add_argument("--jobs", type=positive, default=4, metavar="N", help="how many at once (default: 4)")
    parser.add_argument("--cache-dir", metavar="DIR", help="another cache than ZOO_CACHE or the platform's")
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Fetch everything that can be; returns 2 if anything cannot."""
    # Its threads are daemons: with concurrent.futures, Ctrl-C would wait for every download.
    from multiprocessing.pool import ThreadPool

    from zoo_core.errors import ZooError
    from zoo_core.weights.fetch import fetch_weights

    def fetch(name: str) -> str | ZooError:
        try:
            cfg = config_of(name, args.cache_dir)
            return str(fetch_weights(cfg, cache_dir=args.cache_dir, progress=not args.json))
        except ZooError as error:
            return error

    names = list(dict.fromkeys(_frozen(args.names) if args.frozen else args.names))
    if not names:
        print_error("name a model, or download what a lock has with --frozen")
        return MISTAKE
    with ThreadPool(min(args.jobs, len(names))) as pool:
        results = dict(zip(names, pool.map(fetch, names, chunksize=1), strict=True))
    paths = {name: result for name, result in results.items() if isinstance(result, str)}
    if args.json:
        print_json(paths)
    else:
        for name, path in paths.items():
            print(f"{name}  {path}")
    sys.stdout.flush()
    errors = [result for result in results.values() if isinstance(result, ZooError)]
    for error in errors:
        print_error(error)
    return MISTAKE if errors else 0


def _frozen(names: list[str]) -> list[str]:
    """Hold this process to the lock; return the names, by default all of the lock's."""
    import os

    from zoo_core.cli.commands.zoo_lock import changed_plugins
    from zoo_core.errors import WeightsError
    from zoo_core.weights.lock import DEFAULT, VARIABLE, read_lock

    path = os.environ.setdefault(VARIABLE, DEFAULT)
    locked = read_lock(path)
    if changes := changed_plugins(locked, names):
        raise WeightsError(f"{path} does not fit what is installed: {'; '.join(changes)}")
    return names or [each.name for each in locked]


def config_of(name: str, cache_dir: str | None) -> PretrainedCfg:
    """The default config of a model name, or of a repository."""
    from zoo_core.config import PretrainedCfg
    from zoo_core.names import parse_model_name
    from zoo_core.registry import find_model, find_pretrained_cfg

    if parse_model_name(name).scheme:
        from zoo_core.weights.hub.hub_config import read_hub_config

        return read_hub_config(name, cache_dir=cache_dir).pretrained_cfg
    found = find_model(name)
    return find_pretrained_cfg(found) or PretrainedCfg(architecture=found.architecture, tag=found.tag)
