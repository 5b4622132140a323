"""Receipts, links, and files that others can write."""

import hashlib
import os
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from hub_repositories import EVIL
from safetensors.torch import save
from weight_server import Server
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.weights.cache.address import key_of
from zoo_core.weights.cache.entry import Entry, Receipt, cache_folder
from zoo_core.weights.fetch import fetch_weights


def plant(cache: Path, url: str, content: bytes, claimed: str) -> Path:
    """A file in the cache's place for a URL, with a receipt that fits it and claims another
    hash."""
    entry = Entry(cache, key_of(url))
    entry.path.parent.mkdir(parents=True)
    entry.path.write_bytes(content)
    status = entry.path.stat()
    entry.write_receipt(Receipt(url=url, size=status.st_size, mtime_ns=status.st_mtime_ns, sha256=claimed))
    return entry.path


@pytest.mark.parametrize("writable", ["cache", "folder", "receipt", "file", "above"])
def test_a_receipt_that_others_could_write_vouches_for_nothing(
    server: Server, cache: Path, tmp_path: Path, weights: bytes, writable: str
) -> None:
    digest = hashlib.sha256(weights).hexdigest()
    url = server.add("/a/net.safetensors", weights)
    path = plant(cache, url, save(EVIL), digest)
    opened = {"cache": cache, "folder": path.parent, "file": path, "above": tmp_path}.get(
        writable, path.with_name(f"{path.name}.receipt")
    )
    opened.chmod(opened.stat().st_mode | 0o022)
    assert fetch_weights(PretrainedCfg(url=url, sha256=digest)).read_bytes() == weights


def test_another_user_s_receipt_vouches_for_nothing(server: Server, cache: Path, weights: bytes) -> None:
    if os.geteuid():
        pytest.skip("only the administrator can make another user's file")
    digest = hashlib.sha256(weights).hexdigest()
    url = server.add("/a/net.safetensors", weights)
    path = plant(cache, url, save(EVIL), digest)
    os.chown(path, 12345, 12345)
    assert fetch_weights(PretrainedCfg(url=url, sha256=digest)).read_bytes() == weights


def test_a_config_s_hash_wins_over_a_receipt_s(server: Server, cache: Path, weights: bytes) -> None:
    url = server.add("/a/net.safetensors", weights)
    evil = save(EVIL)
    plant(cache, url, evil, hashlib.sha256(evil).hexdigest())
    digest = hashlib.sha256(weights).hexdigest()
    assert fetch_weights(PretrainedCfg(url=url, sha256=digest)).read_bytes() == weights


def test_a_receipt_that_only_we_can_write_saves_hashing(server: Server, cache: Path, weights: bytes) -> None:
    """What it is for; shown by a receipt that lies."""
    cache.mkdir(mode=0o700)
    url = server.add("/a/net.safetensors", weights)
    path = plant(cache, url, b"as it was fetched", hashlib.sha256(weights).hexdigest())
    assert fetch_weights(PretrainedCfg(url=url, sha256=hashlib.sha256(weights).hexdigest())) == path
    assert not server.log


def test_without_a_hash_a_file_serves_only_the_url_that_filled_it(server: Server, cache: Path, weights: bytes) -> None:
    """As on a file system that takes two names for one."""
    url = server.add("/net.safetensors", weights)
    evil = save(EVIL)
    path = plant(cache, url, evil, hashlib.sha256(evil).hexdigest())
    receipt = path.with_name(f"{path.name}.receipt")
    receipt.write_text(receipt.read_text().replace("/net.safetensors", "/NET.safetensors"))
    assert fetch_weights(PretrainedCfg(url=url)).read_bytes() == weights


@pytest.mark.parametrize(
    "receipt",
    ["[]", "3", '{"url": 3}', '{"url": "u", "sha256": 3}', '{"url": "u", "size": "x"}', '{"url": "u", "path": ["x"]}',
     "[" * 90_000, '{"url": "u", "sha256": "zz"}'],
)  # fmt: skip
def test_a_damaged_receipt_is_none(server: Server, cache: Path, weights: bytes, receipt: str) -> None:
    url = server.add("/net.safetensors", weights)
    path = fetch_weights(PretrainedCfg(url=url))
    path.with_name(f"{path.name}.receipt").write_text(receipt)
    assert fetch_weights(PretrainedCfg(url=url)) == path


@pytest.mark.parametrize("link", ["symbolic", "hard"])
@pytest.mark.parametrize("suffix", ["part", "lock", "receipt"])
def test_a_planted_link_is_not_written_through(
    server: Server, cache: Path, tmp_path: Path, weights: bytes, link: str, suffix: str
) -> None:
    theirs = tmp_path / "thesis.txt"
    theirs.write_text("mine")
    url = server.add("/net.safetensors", weights, etag='"1"')
    entry = Entry(cache, key_of(url))
    entry.path.parent.mkdir(parents=True)
    if suffix == "part":
        entry.write_receipt(Receipt(url=url, validator='"1"', size=len(weights)))
    planted = entry.path.with_name(f"{entry.path.name}.{suffix}")
    (planted.symlink_to if link == "symbolic" else planted.hardlink_to)(theirs)
    if (link, suffix) == ("symbolic", "lock"):
        with pytest.raises(WeightsError, match="cannot be written"):
            fetch_weights(PretrainedCfg(url=url))
    else:
        assert fetch_weights(PretrainedCfg(url=url)).read_bytes() == weights
    if (link, suffix) != ("hard", "lock"):  # nobody can tell a hard link from a file, and the lock holds nothing
        assert theirs.read_text() == "mine"


def test_a_changed_file_in_the_cache_is_noticed_and_fetched_again(
    server: Server, weights: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = PretrainedCfg(url=server.add("/net.safetensors", weights))
    path = fetch_weights(cfg)
    path.write_bytes(bytes(len(weights)))
    assert fetch_weights(cfg).read_bytes() == weights
    assert "was changed since it was fetched" in caplog.text
    assert len(server.log) == 2


def test_the_cache_is_where_the_platform_s_caches_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ZOO_CACHE")
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert cache_folder() == tmp_path / "xdg" / "zoo"
    assert cache_folder("~/mine") == tmp_path / "home" / "mine"


def test_a_cache_folder_that_cannot_be_is_said_in_one_line() -> None:
    for name in ("a\0b", "a\ud800b"):
        with pytest.raises(WeightsError, match="no folder can be named"):
            fetch_weights(PretrainedCfg(url="https://weights.example/net.pth"), cache_dir=name)
    assert cache_folder("~nosuchuser/x").name == "x"


def test_a_key_that_leaves_the_cache_is_refused_whoever_made_it(tmp_path: Path) -> None:
    for key in ("../x", "/etc/x", "a//b", "a/./b", "C:/x", "a\\b", "", "a\0b"):
        with pytest.raises(WeightsError, match="no place in the cache"):
            Entry(tmp_path, key)
    assert unquote("%2e%2e") == ".."
