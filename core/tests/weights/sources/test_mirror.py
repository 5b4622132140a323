"""A mirror in front of a publisher and of the Hub."""

import json
from pathlib import Path

import pytest
from fetching import named, sha256
from hub_repositories import REPO
from weight_server import Server
from zoo_core.config import PretrainedCfg
from zoo_core.weights.fetch import fetch_weights


def test_the_mirror_is_asked_first_and_its_publisher_after_it(
    server: Server, weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_MIRROR", f"{server.url}/mirror/")
    server.add(f"/mirror/weights.example{named(weights)}", weights)
    path = fetch_weights(PretrainedCfg(url=f"https://weights.example{named(weights)}"))
    assert path.read_bytes() == weights
    assert "weights.example" in path.parts, "kept under its publisher's address, with or without the mirror"
    url = server.add("/net.safetensors", weights)
    assert fetch_weights(PretrainedCfg(url=url)).read_bytes() == weights
    assert [request.status for request in server.log] == [200, 404, 200]


def test_a_cache_is_a_mirror(server: Server, cache: Path, weights: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = PretrainedCfg(url=server.add("/a folder/net.safetensors", weights), sha256=sha256(weights))
    path = fetch_weights(cfg)
    server.resources.clear()
    server.add(f"/{path.relative_to(cache / 'weights').as_posix()}", weights)
    monkeypatch.setenv("ZOO_MIRROR", server.url)
    assert fetch_weights(cfg, cache_dir=cache / "other").read_bytes() == weights


def test_a_mirror_s_file_stands_for_what_was_published(
    server: Server, cache: Path, weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mirror that a user names is trusted as the publisher is; the receipt says where the bytes
    came from."""
    monkeypatch.setenv("ZOO_MIRROR", f"{server.url}/mirror")
    server.add("/mirror/weights.example/net.safetensors", weights)
    path = fetch_weights(PretrainedCfg(url="https://weights.example/net.safetensors"))
    receipt = json.loads(path.with_name(f"{path.name}.receipt").read_text())
    assert receipt["url"] == "https://weights.example/net.safetensors"
    assert receipt["mirror"] == f"{server.url}/mirror/weights.example/net.safetensors"
    monkeypatch.delenv("ZOO_MIRROR")
    assert fetch_weights(PretrainedCfg(url="https://weights.example/net.safetensors")) == path


def test_the_mirror_has_the_hub_s_files_too(hub: Server, weights: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://huggingface.co")
    monkeypatch.setenv("ZOO_MIRROR", f"{hub.url}/mirror")
    hub.add(f"/mirror/huggingface.co/{REPO}/resolve/main/model.safetensors", weights)
    assert fetch_weights(PretrainedCfg(hf_hub_id=REPO)).read_bytes() == weights
