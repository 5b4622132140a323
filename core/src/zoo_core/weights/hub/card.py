"""The model card of a repository, which the Hub shows first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def model_card(config: Mapping[str, Any], made_with: Mapping[str, Any], parameters: int) -> str:
    """Return a ``README.md`` with the Hub's metadata.

    Args:
        config: the repository's ``config.json``.
        made_with: the model's record of its making, see `zoo_core.create_model`.
        parameters: the count of the model's numbers.
    """
    cfg, architecture = config["pretrained_cfg"], config["architecture"]
    started_from = made_with.get("weights") or {}
    metadata = {
        "library_name": "timm",  # which is what the Hub calls the format of the config
        "tags": ["zoo", "timm", "image-classification" if config["num_classes"] else "image-feature-extraction"],
        "pipeline_tag": "image-classification" if config["num_classes"] else "image-feature-extraction",
        "license": cfg.get("license"),
        "base_model": started_from.get("hf_hub_id"),
    }
    # YAML reads JSON, and JSON quotes whatever a licence or a name may hold.
    header = [f"{key}: {json.dumps(value)}" for key, value in metadata.items() if value]
    facts = {
        "architecture": f"`{architecture}`",
        "parameters": f"{parameters:,}",
        "input": " x ".join(map(str, cfg["input_size"])) + " (channels x height x width)",
        "classes": config["num_classes"] or "none: features",
        "licence": cfg.get("license") or "not stated",
        "started from": _origin(started_from),
        **{name: f"{value:g}" for name, value in config.get("metrics", {}).items()},
    }
    table = [f"| {_cell(key)} | {_cell(value)} |" for key, value in facts.items() if value]
    return "\n".join(
        [
            "---", *header, "---", "",
            f"# {architecture}", "",
            *([_cell(cfg["description"]), ""] if cfg.get("description") else []),
            "| | |", "|---|---|", *table, "",
            "```python",
            "import zoo_core as zoo  # pip install zoo-core, and the plugin that has the architecture", "",
            'net = zoo.create_model("hf-hub:ORG/REPO", pretrained=True).eval()',
            "```", "",
        ]
    )  # fmt: skip


def _origin(weights: Mapping[str, Any]) -> str | None:
    if not weights:
        return None
    licence = weights.get("license")
    terms = f", licensed {licence}: what derives from them may be bound by it" if licence else ""
    return f"the weights {weights['name']}{terms}"


def _cell(value: object) -> str:
    """Return a text in one line, for a table."""
    return " ".join(str(value).replace("|", "\\|").split())
