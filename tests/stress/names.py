"""Hostile names, configs, repositories, locks and manifests: our errors, or what was asked."""

from __future__ import annotations

import json
import logging
import os
import random
import sys
from pathlib import Path
from typing import Any

import zoo_core as zoo
from hub_repositories import GOOD
from safetensors.torch import save
from stress.tally import Tally
from tiny import TinyConfig
from zoo_core.config import PretrainedCfg
from zoo_core.description import describe
from zoo_core.discovery.entry_points import EntryPoint
from zoo_core.discovery.manifest import read_manifest
from zoo_core.family import Family
from zoo_core.names import parse_model_name
from zoo_core.weights.fetch import cached_path, fetch_weights
from zoo_core.weights.lock import read_lock

PARTS = [
    "", " ", "\t", "\n", "\0", "\x1b[2J", "\x9b", "\u202e", "\ud800", "\udce9", "é", "..", ".", "/", "//", "\\", "~",
    "~root/", "%2e%2e", "%00", "%", "?", "#", "@", ":", "://", "http", "https", "file", "package", "hf-hub",
    "local-dir", "日本", "org/repo", "org/", "resnet50", "test_resnet.digits", "a1_in1k", "zoo-resnet/",
    "trusted_net", "*", "[", "x" * 300,
    "127.0.0.1:9", "localhost", "[::1]", "/etc/passwd", "C:", "con", ".receipt", "-00000000.pth", "\u2028",
    "'; rm -rf ~",
    "$(id)", "`id`", "{0.__class__}", "%s", "None", "0", "-1", "1e999",
]  # fmt: skip
SCHEMES = [
    "",
    "",
    "",
    "file:",
    "https://127.0.0.1:9/",
    "http://127.0.0.1:9/",
    "hf-hub:",
    "package:",
    "local-dir:",
    "s3://",
]
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 3, 2**31, 2**63, -(2**70), 1.5, float("nan"), float("inf"), "", [], {},
    [[]], [{}], [None],
    [3, 64, 64], [3, -1, 0], [2**40, 1, 1], ["a"] * 50,
    {"a": {"b": []}}, "10" * 200,
]  # fmt: skip


def text(draw: random.Random) -> str:
    return "".join(draw.choice(PARTS) for _ in range(draw.choice([1, 1, 2, 3, 5])))


def value(draw: random.Random) -> Any:
    return text(draw) if draw.random() < 0.4 else draw.choice(VALUES)


def config(draw: random.Random) -> dict[str, Any]:
    """A default config: fields that exist, mostly, with anything in them."""
    names = [*PretrainedCfg.__dataclass_fields__]
    fields = {draw.choice(names): value(draw) for _ in range(draw.randrange(1, 5))}
    if draw.random() < 0.3:
        fields[text(draw)] = value(draw)
    if draw.random() < 0.6:
        fields[draw.choice(["url", "file", "hf_hub_id"])] = draw.choice(SCHEMES) + text(draw)
    return fields


def repository(draw: random.Random) -> bytes:
    """A config.json: of a network that exists, with something odd; or bytes."""
    written: dict[str, Any] = {"architecture": "trusted_net", "num_classes": 5, "pretrained_cfg": {"num_classes": 5}}
    kind = draw.randrange(6)
    if kind == 0:
        return draw.randbytes(draw.randrange(60))
    if kind == 1:
        written["pretrained_cfg"] = config(draw)
    elif kind == 2:
        written["model_args"] = {draw.choice(["act_layer", "cache_dir", "device", "width", text(draw)]): value(draw)}
    elif kind == 3:
        written[draw.choice([*written, "label_names", "num_features", "zoo", text(draw)])] = value(draw)
    elif kind == 4:
        return b'{"architecture": ' + b"[" * draw.choice([10, 100_000])
    content = bytearray(json.dumps(written).encode())
    if kind == 5:
        content[draw.randrange(len(content))] = draw.randrange(256)
    return bytes(content)


def manifest(draw: random.Random) -> bytes:
    """A models.json with something odd, or bytes."""
    row: dict[str, Any] = {"constructor": "zoo_bad:bad", "default": "t", "tags": ["t", "u"]}
    rows = {"bad": row}
    values: dict[str, Any] = {
        "api": 1,
        "family": "bad",
        "configs": "configs.json",
        "architectures": rows,
        "aliases": {},
    }
    target = draw.choice([row, values, rows, values["aliases"]])
    target[draw.choice([*target, text(draw)])] = value(draw)
    content = bytearray(json.dumps(values).encode())
    if draw.random() < 0.3:
        content[draw.randrange(len(content))] = draw.randrange(256)
    return bytes(content)


def run(count: int, folder: Path, seed: int = 0) -> list[Tally]:
    """Try `count` of each kind, offline, in `folder`, and watch what is opened outside of it."""
    draw = random.Random(seed)
    _prepare(folder)
    outside: set[str] = set()
    watching = [False]
    places = (folder, sys.prefix, sys.base_prefix, *sys.path, "/proc")
    allowed = tuple({f"{os.path.realpath(each)}{os.sep}" for each in places})

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if not watching[0] or event not in ("open", "os.mkdir", "os.rename", "os.remove", "os.symlink", "os.rmdir"):
            return
        flags = arguments[2] if event == "open" and len(arguments) > 2 else os.O_WRONLY
        writes = not isinstance(flags, int) or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and isinstance(arguments[0], str) and not os.path.realpath(arguments[0]).startswith(allowed):
            outside.add(f"{event} {arguments[0]}")

    sys.addaudithook(watch)
    logging.getLogger("zoo_core").setLevel(logging.CRITICAL)
    cache = folder / "cache"
    tallies = [
        Tally("A hostile name creates nothing, and is one clear error", "names"),
        Tally("A hostile default config reaches no place outside the cache", "configs"),
        Tally("A hostile repository gives a model that is allowed, or an error", "repositories"),
        Tally("A hostile manifest is read, or refused with its plugin's name", "manifests"),
        Tally("A hostile lock refuses everything", "locks"),
    ]
    names, configs, repositories, manifests, locks = tallies
    watching[0] = True
    try:
        for _ in range(count):
            name = draw.choice(SCHEMES) + text(draw)
            ask = draw.choice([zoo.is_model, parse_model_name, describe, zoo.create_model])
            names.attempt(name, ask, name)
            fields = config(draw)
            configs.attempt(fields, _fetch, fields, cache)
            content = repository(draw)
            (folder / "repo" / "config.json").write_bytes(content)
            pretrained = draw.random() < 0.5
            repositories.attempt(content, zoo.create_model, f"local-dir:{folder / 'repo'}", pretrained)
            content = manifest(draw)
            (folder / "zoo_bad" / "models.json").write_bytes(content)
            manifests.attempt(content, _read, folder)
            weights = {"version": 1, "weights": [config(draw)]}
            content = draw.choice([content, repository(draw), json.dumps(weights).encode()])
            (folder / "zoo.lock").write_bytes(content)
            locks.attempt(content, read_lock, folder / "zoo.lock")
    finally:
        watching[0] = False
    for each in sorted(outside):
        configs.failures.append(f"outside: {each}")
    return tallies


def _prepare(folder: Path) -> None:
    """Register a network, write a folder with its weights, and a package for manifests."""
    options = {"architectures": {"trusted_net": TinyConfig()}, "pretrained": {}}
    family = Family(name="trusted", package=__name__, network="tiny:TinyNet", **options)
    zoo.register_model(family.constructor("trusted_net"), name="trusted_net")
    for name in ("repo", "zoo_bad", "cache"):
        (folder / name).mkdir()
    (folder / "repo" / "model.safetensors").write_bytes(save(GOOD))
    (folder / "zoo_bad" / "__init__.py").touch()
    sys.path.insert(0, str(folder))
    os.environ.update(ZOO_OFFLINE="1", ZOO_CACHE=str(folder / "cache"), HOME=str(folder), HF_HOME=str(folder / "hf"),
                      TORCH_HOME=str(folder / "torch"))  # fmt: skip


def _fetch(fields: dict[str, Any], cache: Path) -> None:
    made = PretrainedCfg.from_dict(fields)
    if made.has_weights:
        cached_path(made, cache_dir=cache)
        fetch_weights(made, cache_dir=cache)


def _read(folder: Path) -> None:
    info = str(folder / "zoo_bad-1.0.dist-info")
    found = read_manifest(EntryPoint("zoo-bad", "1.0", "zoo_core.models", "bad", "zoo_bad:models.json", info))
    for architecture in [*found.architectures]:
        found.tags(architecture), found.default(architecture), found.trained_tags(architecture)
    _ = found.aliases
