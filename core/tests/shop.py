"""A plugin to choose models from: facts, results and licences of every kind, and of none."""

from __future__ import annotations

import json
from typing import Any

import zoo_core as zoo
from sites import Site


def facts(parameters: int, macs: int | None = None, **more: Any) -> dict[str, Any]:
    row = {"parameters": parameters, "macs": macs, "activations": parameters // 10, "input_size": [3, 100, 100]}
    maps = {"channels": [8, 16], "reductions": [2, 4], "modules": ["stem", "body"]}
    return {key: value for key, value in {**row, **maps, **more}.items() if value is not None}


FACTS = {
    "small": facts(5_000_000, 500_000_000),
    "large": facts(60_000_000, 9_000_000_000, layouts="NLC", fixed_input_size=True),
    "vague": facts(20_000_000),
}
RESULTS = {
    "small.a": [{"image_size": 100, "top1": 70.5, "top5": 90.25}, {"image_size": 200, "top1": 71}],
    "small.b": [{"image_size": 100, "top1": 75}],
    "large.a": [{"image_size": 100, "top1": 85.5, "top5": 97}],
}
CONFIGS = {
    "small.a": {"license": "apache-2.0", "size": 20_000_000},
    "small.b": {"license": "cc-by-nc-4.0"},
    "large.a": {"license": "mit", "paper_ids": "arXiv:1"},
    "vague.a": {},
    "silent.a": {},
}


def shop(site: Site) -> None:
    """Install it: small (a, b), large, vague (no accuracy, no multiply-adds), silent (nothing)."""
    configs = {name: {"url": f"https://x/{name}", **cfg} for name, cfg in CONFIGS.items()}
    models = {"small": ["a", "b"], "large": ["a"], "vague": ["a"], "silent": ["a"]}
    files = {"facts.json": json.dumps(FACTS), "results.json": json.dumps(RESULTS)}
    named = {"facts": "facts.json", "results": "results.json"}
    site.plugin("zoo-shop", models, configs=configs, files=files, aliases={"tiny": "small.b"}, **named)
    zoo.refresh()
