"""A server of weights, and caches that are this test's own."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from weight_server import Server
from zoo_core.weights import licence
from zoo_core.weights.transfer import http


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Zoo's cache folder; no test reads or writes a cache of the machine, or reaches a network."""
    for name in ("ZOO_OFFLINE", "HF_HUB_OFFLINE", "ZOO_MIRROR", "HF_TOKEN", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    folders = {"ZOO_CACHE": "zoo", "TORCH_HOME": "torch", "HF_HOME": "hf", "HOME": "home"}
    for name, folder in folders.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens: a test that wants the Hub names its own
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setattr(http, "FIRST_BACKOFF_S", 0.001)
    monkeypatch.setattr(licence, "_shown", set())
    return tmp_path / "zoo"


@pytest.fixture
def weights() -> bytes:
    """A safetensors file of two tensors."""
    return save({"conv.weight": torch.arange(24.0).reshape(2, 3, 2, 2), "fc.bias": torch.ones(5)})


@pytest.fixture
def large() -> bytes:
    """A safetensors file of 6 MB: more than sockets and files buffer."""
    return save({"weight": torch.arange(1_500_000.0)})


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
