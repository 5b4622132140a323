"""``zoo download``: fetch the weights of models before they are needed, several at once."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, TypeVar, cast

from zoo_core.cli.output import print_json
from zoo_core.cli.parser import MISTAKE, add_json_option, examples, positive, print_error

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

    from zoo_core.config import PretrainedCfg

_Result = TypeVar("_Result")


def add_parser(subparsers: Any) -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "download",
        help="fetch the weights of models into the cache",
        description="Fetch and verify the weights of one or more models, so that they can be used offline.",
        epilog=examples("zoo download resnet50.a1_in1k", "zoo download resnet18 densenet121 hf-hub:org/repo --jobs 2"),
    )
    parser.add_argument("names", metavar="NAME", nargs="+", help="a model; without a tag, its default weights")
    parser.add_argument("--jobs", type=positive, default=4, metavar="N", help="how many at once (default: 4)")
    parser.add_argument("--cache-dir", metavar="DIR", help="another cache than ZOO_CACHE or the platform's")
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Fetch everything that can be; 2 when something could not be."""
    from zoo_core.errors import ZooError
    from zoo_core.weights.fetch import fetch_weights

    def fetch(name: str) -> str | ZooError:
        try:
            cfg = _config(name, args.cache_dir)
            return str(fetch_weights(cfg, cache_dir=args.cache_dir, progress=not args.json))
        except ZooError as error:
            return error

    results = _at_once(fetch, dict.fromkeys(args.names), args.jobs)
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


def _at_once(work: Callable[[str], _Result], names: Iterable[str], jobs: int) -> dict[str, _Result]:
    """Do the work for each name in `jobs` threads, and get the results in the order of the names.

    A pool of `concurrent.futures` would have Ctrl-C wait for the end of every download; these threads end with the
    process. What was fetched by then is resumed the next time.
    """
    import queue
    import threading

    names = list(names)
    todo: queue.SimpleQueue[str] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[str, _Result | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                name = todo.get_nowait()
                try:
                    done.put((name, work(name), None))
                except BaseException as error:  # raised again where the result is awaited
                    done.put((name, None, error))

    for name in names:
        todo.put(name)
    for _ in range(min(jobs, len(names))):
        threading.Thread(target=run, daemon=True).start()
    results = {}
    for _ in names:
        name, result, error = done.get()
        if error is not None:
            raise error
        results[name] = cast("_Result", result)
    return {name: results[name] for name in names}


def _config(name: str, cache_dir: str | None) -> PretrainedCfg:
    """The default config of a model name, of a repository, too."""
    from zoo_core.config import PretrainedCfg
    from zoo_core.names import parse_model_name
    from zoo_core.registry import find_model, find_pretrained_cfg

    if parse_model_name(name).scheme:
        from zoo_core.weights.hub.hub_config import read_hub_config

        return read_hub_config(name, cache_dir=cache_dir).pretrained_cfg
    found = find_model(name)
    return find_pretrained_cfg(found) or PretrainedCfg(architecture=found.architecture, tag=found.tag)
