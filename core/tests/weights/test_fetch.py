"""Which source of a config's weights is asked, and those that other packages add."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fetching import FETCH, named
from weight_server import Server
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.hooks import hookimpl
from zoo_core.hooks.manager import hook_manager
from zoo_core.weights.cache.inventory import damage, inventory
from zoo_core.weights.fetch import cached_path, fetch_weights
from zoo_core.weights.transfer.request import FetchRequest, UnavailableError


def test_a_file_comes_before_everything_else(file: Path) -> None:
    cfg = PretrainedCfg(file=str(file), url="http://127.0.0.1:9/net.pth", hf_hub_id="org/net")
    assert fetch_weights(cfg) == file


def test_an_overlaid_source_is_the_only_one(file: Path) -> None:
    """The hash and the Hub's id of what it replaces would otherwise be held against it, or come
    first."""
    cfg = PretrainedCfg(url="http://127.0.0.1:9/net.pth", hf_hub_id="org/net", sha256="0badc0de")
    assert fetch_weights(cfg.overlaid({"file": str(file)})) == file
    assert fetch_weights(cfg.overlaid({"url": f"file:{file}"})) == file
    assert cfg.overlaid({"crop_pct": 0.9, "file": None}).sha256 == "0badc0de"


def test_a_config_without_a_source_says_so() -> None:
    assert not cached_path(PretrainedCfg())
    with pytest.raises(WeightsError, match=r"^net has no pretrained weights; create it with pretrained=False$"):
        fetch_weights(PretrainedCfg(architecture="net"))


def test_the_url_serves_where_the_hub_does_not(hub: Server, weights: bytes, by_client: bool) -> None:
    url = hub.add("/net.safetensors", weights)
    path = fetch_weights(PretrainedCfg(url=url, hf_hub_id="org/none"))
    assert (path.name, path.read_bytes()) == ("net.safetensors", weights)


def test_cache_dir_is_used_instead_of_the_variable(server: Server, tmp_path: Path, cache: Path, weights: bytes) -> None:
    path = fetch_weights(PretrainedCfg(url=server.add(named(weights), weights)), cache_dir=tmp_path / "mine")
    assert path.is_relative_to(tmp_path / "mine")
    assert not cache.exists()


@pytest.mark.parametrize("variable", ["ZOO_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_opens_no_socket_and_says_where_it_looked(server: Server, weights: bytes, variable: str) -> None:
    """In a process in which opening a socket is fatal."""
    url = server.add(named(weights), weights)
    fetch_weights(PretrainedCfg(url=url))
    forbid = "import os, sys; sys.addaudithook(lambda event, _: event.startswith('socket.') and os._exit(9))\n"
    environment = {**os.environ, variable: "1"}
    command = [sys.executable, "-c", forbid + FETCH]
    known = subprocess.run(
        [*command, url, ""], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (known.returncode, Path(known.stdout.strip()).read_bytes()) == (0, weights)
    other = "https://weights.example/net-00000000.pth"
    missing = subprocess.run(
        [*command, other, ""], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert missing.returncode == 1
    assert f"{variable} forbids" in missing.stderr
    assert "weights.example/net-00000000.pth" in missing.stderr
    assert "checkpoints/net-00000000.pth" in missing.stderr


def test_a_local_file_needs_none_of_the_libraries_for_networks(tmp_path: Path) -> None:
    code = (
        "import sys; from zoo_core.config import PretrainedCfg; from zoo_core.weights.fetch import fetch_weights;"
        "fetch_weights(PretrainedCfg(file=sys.argv[1]));"
        "print({'requests', 'tqdm', 'huggingface_hub', 'filelock', 'urllib3'} & set(sys.modules))"
    )
    file = tmp_path / "net.pth"
    file.write_bytes(b"x")
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "set()"


class Bucket:
    """A source that a third party adds."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.asked: list[tuple[str, bool]] = []

    @hookimpl
    def zoo_fetch_weights(self, request: FetchRequest) -> Path | None:
        if request.scheme != "s3":
            return None
        self.asked.append((request.location, request.local_only))
        if request.location.endswith("none.pth"):
            raise UnavailableError("the bucket does not have it")
        return None if request.local_only else self.file


@pytest.fixture
def bucket(file: Path) -> Iterator[Bucket]:
    bucket = Bucket(file)
    hook_manager().register(bucket, name="bucket")
    yield bucket
    hook_manager().unregister(bucket)


def test_another_package_can_add_a_source(bucket: Bucket, file: Path) -> None:
    assert fetch_weights(PretrainedCfg(url="s3://bucket/net.pth")) == file
    assert bucket.asked == [("//bucket/net.pth", True), ("//bucket/net.pth", False)], "asked on disk, then at large"


def test_what_another_package_s_source_fetched_is_known(bucket: Bucket, file: Path, cache: Path) -> None:
    cfg = PretrainedCfg(url="s3://bucket/net.pth")
    assert not cached_path(cfg)
    fetch_weights(cfg)
    assert cached_path(cfg) == file
    (item,) = inventory(cache)
    assert (item.state, item.path, item.size) == ("elsewhere", file, file.stat().st_size)
    assert damage(item) is None
    assert not cached_path(PretrainedCfg(url="s3://bucket/other.pth"))
    file.unlink()
    assert not cached_path(cfg)


def test_another_package_s_source_is_held_against_the_config(bucket: Bucket, file: Path) -> None:
    right = hashlib.sha256(b"weights").hexdigest()
    assert fetch_weights(PretrainedCfg(url="s3://bucket/net.pth", sha256=right)) == file
    with pytest.raises(WeightsError, match="has not the SHA-256 of its config, 0badc0de"):
        fetch_weights(PretrainedCfg(url="s3://bucket/net.pth", sha256="0badc0de"))
    file.unlink()
    with pytest.raises(WeightsError, match="where there is no file"):
        fetch_weights(PretrainedCfg(url="s3://bucket/net.pth"))


def test_another_package_s_source_is_not_asked_for_more_than_disk_offline(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "yes")
    with pytest.raises(WeightsError, match="ZOO_OFFLINE forbids"):
        fetch_weights(PretrainedCfg(url="s3://bucket/net.pth"))
    assert bucket.asked == [("//bucket/net.pth", True)]
