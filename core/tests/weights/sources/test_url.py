"""Weights at a URL: in Zoo's cache, in torch.hub's, or downloaded."""

from pathlib import Path

import pytest
from fetching import named
from safetensors.torch import load_file
from weight_server import Server
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.weights.fetch import cached_path, fetch_weights


def test_a_url_becomes_a_verified_file_that_is_fetched_once(server: Server, cache: Path, weights: bytes) -> None:
    cfg = PretrainedCfg(url=server.add(named(weights), weights))
    assert not cached_path(cfg)
    path = fetch_weights(cfg)
    assert path == cache / "weights" / server.key / named(weights)[1:]
    assert path.read_bytes() == weights
    assert cached_path(cfg)
    assert fetch_weights(cfg) == path
    assert len(server.log) == 1


def test_addresses_that_differ_in_their_query_are_different_files(server: Server, weights: bytes) -> None:
    url = server.add("/file", weights)
    paths = {fetch_weights(PretrainedCfg(url=f"{url}?version={version}")) for version in (1, 2)}
    assert len(paths) == 2


def test_files_of_torch_hub_serve(server: Server, tmp_path: Path, weights: bytes, cache: Path) -> None:
    cfg = PretrainedCfg(url=f"{server.url}{named(weights)}")
    theirs = tmp_path / "torch" / "hub" / "checkpoints" / Path(named(weights)).name
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(weights)
    assert cached_path(cfg)
    assert fetch_weights(cfg) == theirs
    theirs.write_bytes(b"something else")
    with pytest.raises(WeightsError, match="does not exist"):
        fetch_weights(cfg)
    assert theirs.read_bytes() == b"something else", "another program's file is left as it is"


def test_a_file_of_torch_hub_with_the_same_name_and_no_hash_is_not_taken_for_ours(
    server: Server, tmp_path: Path, weights: bytes
) -> None:
    theirs = tmp_path / "torch" / "hub" / "checkpoints" / "model.pth"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"something else")
    assert fetch_weights(PretrainedCfg(url=server.add("/model.pth", weights))).read_bytes() == weights


def test_a_cache_that_is_only_read_serves(server: Server, cache: Path, weights: bytes) -> None:
    """A shared cache without receipts and without the right to write them."""
    cfg = PretrainedCfg(url=server.add(named(weights), weights))
    path = fetch_weights(cfg)
    path.with_name(f"{path.name}.receipt").unlink()
    path.with_name(f"{path.name}.receipt").mkdir()
    assert fetch_weights(cfg) == path
    assert len(server.log) == 1


def test_the_file_is_what_was_published(server: Server, weights: bytes) -> None:
    path = fetch_weights(PretrainedCfg(url=server.add(named(weights), weights)))
    assert set(load_file(path)) == {"conv.weight", "fc.bias"}
