"""Weights that are on the machine: in a package, by a path, by ``file:``; and sources that others add."""

import hashlib
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.hooks import hookimpl
from zoo_core.hooks.manager import hook_manager
from zoo_core.weights.cache.inventory import damage, inventory
from zoo_core.weights.fetch import cached_path, fetch_weights, is_cached
from zoo_core.weights.transfer.request import FetchRequest, UnavailableError

EXPLODING = "raise RuntimeError('a package with weights was imported')"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a folder" / "net.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    return path


@pytest.mark.parametrize("form", ["{}", "file:{}", "file://{}"])
def test_a_local_file_is_used_where_it_is(file: Path, form: str) -> None:
    source = form.format(file)
    for cfg in (PretrainedCfg(file=source), PretrainedCfg(url=source)):
        assert is_cached(cfg)
        assert fetch_weights(cfg) == file


def test_a_file_comes_before_everything_else(file: Path) -> None:
    cfg = PretrainedCfg(file=str(file), url="http://127.0.0.1:9/net.pth", hf_hub_id="org/net")
    assert fetch_weights(cfg) == file


def test_an_overlaid_source_is_the_only_one(file: Path) -> None:
    """The hash and the Hub's id of what it replaces would otherwise be held against it, or come first."""
    cfg = PretrainedCfg(url="http://127.0.0.1:9/net.pth", hf_hub_id="org/net", sha256="0badc0de")
    assert fetch_weights(cfg.overlaid({"file": str(file)})) == file
    assert fetch_weights(cfg.overlaid({"url": f"file:{file}"})) == file
    assert cfg.overlaid({"crop_pct": 0.9, "file": None}).sha256 == "0badc0de"


def test_a_local_file_is_held_against_its_config(file: Path) -> None:
    right = hashlib.sha256(b"weights").hexdigest()
    assert fetch_weights(PretrainedCfg(file=str(file), sha256=right[:10].upper())) == file
    with pytest.raises(WeightsError, match=rf"SHA-256 {right}, its config expects 0badc0de; it is not used"):
        fetch_weights(PretrainedCfg(file=str(file), sha256="0badc0de"))


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"^net\.tag: there is no file .*none\.pth"):
        fetch_weights(PretrainedCfg(file=str(tmp_path / "none.pth"), architecture="net", tag="tag"))


def test_a_config_without_a_source_says_so() -> None:
    assert not is_cached(PretrainedCfg())
    with pytest.raises(WeightsError, match=r"^net has no pretrained weights; create it with pretrained=False$"):
        fetch_weights(PretrainedCfg(architecture="net"))


def test_a_file_in_a_package_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "exploding_pkg" / "weights" / "net.safetensors"
    inside.parent.mkdir(parents=True)
    inside.write_bytes(b"weights")
    (tmp_path / "exploding_pkg" / "__init__.py").write_text(EXPLODING)
    monkeypatch.syspath_prepend(tmp_path)
    cfg = PretrainedCfg(url="package:exploding_pkg/weights/net.safetensors")
    assert fetch_weights(cfg) == inside
    assert cached_path(cfg) == inside
    assert "exploding_pkg" not in sys.modules


def test_a_file_in_a_zipped_package_is_unpacked_into_the_cache(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "zipped.zip", "w") as archive:
        archive.writestr("zipped_pkg/__init__.py", EXPLODING)
        archive.writestr("zipped_pkg/net.safetensors", b"weights")
    monkeypatch.syspath_prepend(tmp_path / "zipped.zip")
    path = fetch_weights(PretrainedCfg(url="package:zipped_pkg/net.safetensors"))
    assert path.read_bytes() == b"weights"
    assert path.is_relative_to(cache)
    with pytest.raises(WeightsError, match="there is no file"):
        fetch_weights(PretrainedCfg(url="package:zipped_pkg/none.safetensors"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("package:no_such_pkg/net.pth", "package 'no_such_pkg', which is not installed"),
        ("package:zoo_core/none.pth", "there is no file"),
        ("package:zoo_core", "reads 'package:package_name/path/to/file'"),
        ("package:zoo_core.weights/net.pth", "reads 'package:package_name/path/to/file'"),
        ("s3://bucket/net.pth", "no source of weights knows 's3://bucket/net.pth'"),
    ],
)
def test_a_place_that_is_none_is_one_line(source: str, message: str) -> None:
    cfg = PretrainedCfg(url=source)
    assert not is_cached(cfg)
    with pytest.raises(WeightsError, match=message):
        fetch_weights(cfg)


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
    assert not is_cached(cfg)
    fetch_weights(cfg)
    assert cached_path(cfg) == file
    (item,) = inventory(cache)
    assert (item.state, item.path, item.size) == ("elsewhere", file, file.stat().st_size)
    assert damage(item) is None
    assert not is_cached(PretrainedCfg(url="s3://bucket/other.pth"))
    file.unlink()
    assert not is_cached(cfg)


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
