"""Measure every architecture of zoo-timm on the meta device: facts, and the size of each weights.

    python plugins/timm/tools/write_facts.py facts.jsonl   # half an hour; goes on where it stopped
    python plugins/timm/tools/write_tables.py --facts facts.jsonl --results accuracy.json

One line of JSON for each architecture: its name, its row of ``facts.json``, and bytes by tag.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[3] / "tests"))

import peers

ON_CPU = 60e6  # parameters up to which a network that cannot run on the meta device runs in memory


def main() -> None:
    """Measure the architectures that the file does not have yet."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--part", default="0/1", help="of several processes: 0/2 or 1/2")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    peers.prepare()
    warnings.simplefilter("ignore")
    part, parts = map(int, args.part.split("/"))
    done = {json.loads(line)["name"] for line in args.file.read_text().splitlines()} if args.file.is_file() else set()
    from timm import list_models

    for name in [name for name in list_models()[part::parts] if name not in done]:
        with args.file.open("a") as file:
            file.write(json.dumps(measured(name)) + "\n")


def measured(name: str) -> dict[str, Any]:
    """Return what is known of one architecture."""
    from zoo_core import create_model
    from zoo_core.registry import find_model
    from zoo_kit.manifest.write import bytes_of

    manifest = find_model(f"zoo-timm/{name}").manifest
    net = create_model(f"zoo-timm/{name}", device="meta")
    sizes = {
        tag: bytes_of(net, manifest.configs[f"{name}.{tag}"].get("num_classes", 1000))
        for tag in manifest.trained_tags(name)
    }
    return {"name": name, "facts": facts(name, net), "sizes": sizes}


def facts(name: str, net: Any) -> dict[str, Any]:
    """Return the row of ``facts.json``; without counts where the network cannot run at all."""
    from zoo_core import create_model
    from zoo_kit.manifest.facts import facts_of

    cfg = net.pretrained_cfg
    try:
        return facts_of(net, cfg.input_size, fixed_input_size=cfg.fixed_input_size)
    except Exception as error:
        print(f"{name} on meta: {type(error).__name__}: {str(error)[:200]}", flush=True)
    parameters = sum(parameter.numel() for parameter in net.parameters())
    if parameters <= ON_CPU:
        try:
            whole = create_model(f"zoo-timm/{name}")
            return facts_of(whole, cfg.input_size, fixed_input_size=cfg.fixed_input_size)
        except Exception as error:
            print(f"{name} in memory: {type(error).__name__}: {str(error)[:200]}", flush=True)
    found: dict[str, Any] = {"parameters": parameters}
    if cfg.fixed_input_size:
        found["fixed_input_size"] = True
    return found


if __name__ == "__main__":
    main()
