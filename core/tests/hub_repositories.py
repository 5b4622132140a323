"""Repositories of the Hub for tests: one with a file of weights, and those of the tiny network."""

import hashlib
import json
from typing import Any

import torch
from safetensors.torch import save
from tiny import TinyNet
from torch import nn
from weight_server import Server

REPO = "org/net.tag"
COMMIT = "c" * 40
CONFIG = {
    "architecture": "net",
    "num_classes": 5,
    "num_features": 8,
    "pretrained_cfg": {
        "tag": "in1k",
        "url": "https://elsewhere.example/net.pth",
        "custom_load": False,
        "input_size": [3, 64, 64],
        "mean": [0.5, 0.5, 0.5],
        "num_classes": 1000,
        "test_pool_size": None,
        "a_field_of_another_program": 1,
    },
    "model_args": {"act_layer": "silu"},
}
GOOD, EVIL = ({key: value + n for key, value in TinyNet().state_dict().items()} for n in (0, 1))


def repository(server: Server, name: str, weights: dict[str, torch.Tensor] = GOOD, **config: Any) -> str:
    """Serve a repository of the tiny network; returns its model name."""
    written = {"architecture": "trusted_net", "num_classes": 5, "pretrained_cfg": {"num_classes": 5}, **config}
    files = {"config.json": json.dumps(written).encode(), "model.safetensors": save(weights)}
    server.add_repository(name, files, commit=COMMIT)
    return f"hf-hub:{name}"


def is_good(net: nn.Module) -> bool:
    return all(torch.equal(value, GOOD[key]) for key, value in net.state_dict().items())


def cdn(content: bytes) -> str:
    return f"/cdn/{hashlib.sha256(content).hexdigest()}"
