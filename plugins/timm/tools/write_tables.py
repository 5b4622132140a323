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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "plugins" / "timm" / "src" / "zoo_timm"
RELEASES = 8


def main() -> None:
    """Write the files, or with ``--print`` the table of the timm that is importable."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("versions", nargs="*", help="releases of timm; default: the last eight")
    parser.add_argument("--keep", type=Path, help="a folder that keeps the installed releases for another run")
    parser.add_argument("--facts", type=Path, help="what write_facts.py wrote; default: the facts stay as they are")
    parser.add_argument("--results", type=Path, nargs="*", default=[], help="JSON of weights to [[size, top1, top5]]")
    parser.add_argument("--print", action="store_true", help="print the table of the importable timm as JSON")
    args = parser.parse_args()
    if args.print:
        print(json.dumps(table()))
        return
    from zoo_core.discovery.bridge import release_of
    from zoo_kit.manifest.bridge import bridge_texts

    versions = sorted(args.versions or latest(RELEASES), key=release_of, reverse=True)
    with tempfile.TemporaryDirectory() as folder:
        tables = {version: table_of(version, (args.keep or Path(folder)) / version) for version in versions}
    facts, sizes = facts_in(args.facts)
    for each in tables.values():
        for name in sizes.keys() & each["configs"].keys():
            each["configs"][name]["size"] = sizes[name]
    results = results_in(args.results, tables[versions[0]]["configs"])
    texts = bridge_texts("timm", f"timm>={versions[-1]}", "timm", tables, facts=facts, results=results)
    for name, text in texts.items():
        (PACKAGE / name).write_bytes(text.encode())
        print(f"wrote {name}, {len(text):,} bytes")


def facts_in(file: Path | None) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the rows of ``facts.json``, and bytes by name of weights: anew, or as written."""
    if file is None:
        configs = json.loads((PACKAGE / "configs.json").read_text())
        known = {name: row["size"] for name, row in configs.items() if "size" in row}
        return json.loads((PACKAGE / "facts.json").read_text()), known
    rows = sorted(map(json.loads, file.read_text().splitlines()), key=lambda row: row["name"])
    sizes = {f"{row['name']}.{tag}": size for row in rows for tag, size in row["sizes"].items()}
    return {row["name"]: row["facts"] for row in rows}, sizes


def results_in(files: list[Path], weights: Iterable[str]) -> dict[str, Any]:
    """Return the rows of ``results.json``, from published figures; those written without a file."""
    if not files:
        return json.loads((PACKAGE / "results.json").read_text())
    figures = {name: rows for file in files for name, rows in json.loads(file.read_text()).items()}
    return {
        name: [{"image_size": size, "top1": top1, "top5": top5} for size, top1, top5, *_ in figures[name]]
        for name in weights
        if name in figures
    }


def latest(count: int) -> list[str]:
    """Return the last releases that pip finds, the newest first."""
    command = [sys.executable, "-m", "pip", "index", "versions", "timm"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    listed = next(line for line in found.splitlines() if line.startswith("Available versions:"))
    return re.findall(r"\d+(?:\.\d+)+", listed)[:count]


def table_of(version: str, folder: Path) -> dict[str, Any]:
    """Return the table of one release, installed into a folder, from a process of its own."""
    if not folder.is_dir():
        install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--target", str(folder)]
        subprocess.run([*install, f"timm=={version}"], check=True)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    ask = [sys.executable, __file__, "--print"]
    done = subprocess.run(ask, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if (got := found.pop("version")) != version:
        raise SystemExit(f"asked timm {got} instead of {version}")
    return found


def table() -> dict[str, Any]:
    """Return the architectures, old names and default configs of the timm that is importable."""
    sys.path.append(str(ROOT / "tests"))
    import peers

    peers.prepare()
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
    offered = {*rows, *(f"{name}.{tag}" for name, row in rows.items() for tag in row.get("tags", ()))}
    # timm has old names of tags that it has renamed since.
    old = {name: target for name, target in _registry._deprecated_models.items() if target in offered}
    return {"version": timm.__version__, "architectures": rows, "aliases": old, "configs": configs}


def config(theirs: Any) -> Any:
    """Return timm's config as Zoo's: the fields are the same, but for a few that Zoo derives."""
    from zoo_core.config import PretrainedCfg

    known = {field.name for field in dataclasses.fields(PretrainedCfg)}
    values = {key: value for key, value in vars(theirs).items() if key in known and value is not None}
    return PretrainedCfg.from_dict({**values, "custom_load": bool(theirs.custom_load)})


if __name__ == "__main__":
    main()
