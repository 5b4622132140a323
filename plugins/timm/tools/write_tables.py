"""Write the manifest of zoo-timm: the tables of timm's last releases, as one and its differences.

    python plugins/timm/tools/write_tables.py            # the last eight releases that pip finds
    python plugins/timm/tools/write_tables.py 1.0.31 1.0.30

Each release is installed alone, into a folder that is thrown away, and asked in a process of its
own; torch and timm's other requirements are those of this environment.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1] / "src" / "zoo_timm"
RELEASES = 8


def main() -> None:
    """Write the files, or with ``--print`` the table of the timm that is importable."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("versions", nargs="*", help="releases of timm; default: the last eight")
    parser.add_argument("--print", action="store_true", help="print the table of the importable timm as JSON")
    args = parser.parse_args()
    if args.print:
        print(json.dumps(table()))
        return
    from zoo_core.discovery.bridge import release_of
    from zoo_kit.manifest.bridge import bridge_texts

    versions = sorted(args.versions or latest(RELEASES), key=release_of, reverse=True)
    tables = {version: table_of(version) for version in versions}
    for name, text in bridge_texts("timm", f"timm>={versions[-1]}", "timm", tables).items():
        (PACKAGE / name).write_bytes(text.encode())
        print(f"wrote {PACKAGE / name}, {len(text):,} bytes")


def latest(count: int) -> list[str]:
    """Return the last releases that pip finds, the newest first."""
    command = [sys.executable, "-m", "pip", "index", "versions", "timm"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    listed = next(line for line in found.splitlines() if line.startswith("Available versions:"))
    return re.findall(r"\d+(?:\.\d+)+", listed)[:count]


def table_of(version: str) -> dict[str, Any]:
    """Return the table of one release, from a process that has no other."""
    with tempfile.TemporaryDirectory() as folder:
        install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--target", folder]
        subprocess.run([*install, f"timm=={version}"], check=True)
        path = os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])])
        ask = [sys.executable, __file__, "--print"]
        done = subprocess.run(ask, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("version") == version, f"asked timm {found} instead of {version}"
    return found


def table() -> dict[str, Any]:
    """Return the architectures, old names and default configs of the timm that is importable."""
    declare_operators()
    import timm
    from timm.models import _registry
    from zoo_kit.manifest.bridge import bridge_row, config_row

    rows: dict[str, Any] = {}
    configs: dict[str, Any] = {}
    for name in sorted(_registry._model_entrypoints.keys() - _registry._deprecated_models.keys()):
        tags = [tag for tag in _registry._model_default_cfgs[name].tags if tag]
        named = {tag: config(_registry._model_pretrained_cfgs[f"{name}.{tag}"]) for tag in tags}
        rows[name] = bridge_row(named, family=_registry._model_to_module[name])
        if not named:
            named = {"": config(_registry._model_pretrained_cfgs[name])}
        configs |= {f"{name}.{tag}".rstrip("."): config_row(cfg) for tag, cfg in named.items()}
    old = {name: target for name, target in _registry._deprecated_models.items() if target}
    return {"version": timm.__version__, "architectures": rows, "aliases": old, "configs": configs}


def config(theirs: Any) -> Any:
    """Return timm's config as Zoo's: the fields are the same, but for a few that Zoo derives."""
    from zoo_core.config import PretrainedCfg

    known = {field.name for field in dataclasses.fields(PretrainedCfg)}
    values = {key: value for key, value in vars(theirs).items() if key in known and value is not None}
    return PretrainedCfg.from_dict({**values, "custom_load": bool(theirs.custom_load)})


def declare_operators() -> None:
    """Let torchvision be imported beside a CPU build of torch, which lacks two of its operators."""
    import torch

    for name in ("nms", "qnms"):
        try:
            torch._C._dispatch_find_schema_or_throw(f"torchvision::{name}", "")
        except RuntimeError:
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            _KEPT.append(library)


_KEPT: list[Any] = []  # a library forgets its operators with itself

if __name__ == "__main__":
    main()
