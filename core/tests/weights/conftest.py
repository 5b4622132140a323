"""A server of weights, and caches that are this test's own."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import zoo_core
from hub_repositories import CONFIG, REPO, repository
from safetensors.torch import save
from tiny import TinyConfig
from weight_server import Server
from zoo_core.family import Family
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
    for name in (
        "ZOO_OFFLINE",
        "ZOO_LICENSES",
        "HF_HUB_OFFLINE",
        "ZOO_MIRROR",
        "HF_TOKEN",
        "HF_HUB_CACHE",
        "HUGGINGFACE_HUB_CACHE",
    ):
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


@pytest.fixture(params=[True, False], ids=["client", "https"])
def by_client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if not request.param:
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # as if it were not installed
    return bool(request.param)


@pytest.fixture
def hub(server: Server, weights: bytes, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    server.add_repository(REPO, {"model.safetensors": weights, "config.json": json.dumps(CONFIG).encode()})
    return server


@pytest.fixture
def trusted_net(registrations: None) -> None:
    """An architecture with options of its own, as a family offers it."""
    family = Family(
        name="trusted",
        package=__name__,
        network="tiny:TinyNet",
        architectures={"trusted_net": TinyConfig()},
        pretrained={},
    )
    zoo_core.register_model(family.constructor("trusted_net"), name="trusted_net")


@pytest.fixture
def trusted_hub(server: Server, trusted_net: None, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A Hub with a repository of that architecture, ``org/good``."""
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    repository(server, "org/good")
    return server


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a folder" / "net.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    return path
