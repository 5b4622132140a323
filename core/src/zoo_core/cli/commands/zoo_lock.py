"""``zoo lock``: write down which weights a project uses, byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.cli.parser import add_model_argument, examples, print_warning

if TYPE_CHECKING:
    import argparse

    from zoo_core.registry import FoundModel
    from zoo_core.weights.lock import Locked


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "lock",
        help="write a lock file of the weights that a project uses",
        description=(
            "Fetch the weights of models, and write their sources, revisions, sizes and hashes. "
            "With ZOO_LOCK=zoo.lock, or `zoo download --frozen`, nothing else is used, offline too."
        ),
        epilog=examples("zoo lock resnet50.a1_in1k hf-hub:org/repo", "zoo download --frozen", "zoo lock --check"),
    )
    add_model_argument(parser, "names", nargs="*", help="a model; none: those that the lock has already")
    parser.add_argument("--output", metavar="FILE", help="default: ZOO_LOCK, else zoo.lock")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit code 1 if a plugin is not the one that was locked"
    )
    parser.add_argument("--cache-dir", metavar="DIR", help="another cache than ZOO_CACHE or the platform's")


def run(args: argparse.Namespace) -> int:
    """Returns 1 if `--check` finds another plugin."""
    import os

    from zoo_core.weights.lock import DEFAULT, VARIABLE, read_lock, write_lock

    path = args.output or os.environ.get(VARIABLE) or DEFAULT
    if args.check:
        changes = changed_plugins(read_lock(path), args.names)
        for change in changes:
            print(change)
        return int(bool(changes))
    names = args.names or [each.name for each in read_lock(path)]
    os.environ.pop(VARIABLE, None)  # it is being written
    locked = [_lock(name, args.cache_dir) for name in dict.fromkeys(names)]
    write_lock(path, locked)
    print(f"{path}: {len(locked)} files of weights")
    return 0


def changed_plugins(locked: list[Locked], names: list[str]) -> list[str]:
    """Say which plugins of a lock's rows, or those of `names`, are not as they were locked."""
    changes = []
    for each in locked:
        if each.plugin is None or (names and each.name not in names):
            continue
        now = _plugin_of(each.name)
        if now["plugin"] != each.plugin:
            changes.append(f"{each.name}: it was locked with {each.plugin}, and {now['plugin']} is installed")
        elif now["manifest"] != each.manifest:
            changes.append(f"{each.name}: the default configs of {each.plugin} are not those that were locked")
    return changes


def _lock(name: str, cache_dir: str | None) -> Locked:
    """Fetch one model's weights, and return its row."""
    from zoo_core.cli.commands.zoo_download import config_of
    from zoo_core.weights.cache.verify import sha256_of
    from zoo_core.weights.fetch import fetch_weights, paths_of, requests_for
    from zoo_core.weights.lock import described

    cfg = config_of(name, cache_dir)
    path = fetch_weights(cfg, cache_dir=cache_dir)
    request = next(each for each in requests_for(cfg, cache_dir=cache_dir) if path in paths_of(each))
    row = described(name, request, path, sha256_of(path), **({} if ":" in name else _plugin_of(name)))
    if row.revision and row.revision not in row.source:
        print_warning(f"{name}: its config pins no commit of {row.source}; locked at {row.revision}")
    return row


def _plugin_of(name: str) -> dict[str, str | None]:
    """The version of the plugin that offers a model, and the hash of its manifest."""
    from zoo_core.registry import find_model

    found = find_model(name)
    point = found.plugin.entry_point
    version = f"{point.distribution} {point.version}".strip()
    return {"plugin": version, "manifest": _manifest_hash(found)}


def _manifest_hash(found: FoundModel) -> str | None:
    import hashlib

    from zoo_core.discovery.resources import read_data

    point, digest = found.plugin.entry_point, hashlib.sha256()
    if not point.attribute.endswith(".json"):
        return None
    for file in filter(None, (point.attribute, found.manifest.configs_file)):
        digest.update(read_data(point.module, file))
    return digest.hexdigest()
