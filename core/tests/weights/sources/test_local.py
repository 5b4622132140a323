"""Weights on this machine: in a package, by a path, by ``file:``."""

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.weights.fetch import cached_path, fetch_weights

EXPLODING = "raise RuntimeError('a package with weights was imported')"


@pytest.mark.parametrize("form", ["{}", "file:{}", "file://{}"])
def test_a_local_file_is_used_where_it_is(file: Path, form: str) -> None:
    source = form.format(file)
    for cfg in (PretrainedCfg(file=source), PretrainedCfg(url=source)):
        assert cached_path(cfg)
        assert fetch_weights(cfg) == file


def test_a_local_file_is_held_against_its_config(file: Path) -> None:
    right = hashlib.sha256(b"weights").hexdigest()
    assert fetch_weights(PretrainedCfg(file=str(file), sha256=right[:10].upper())) == file
    with pytest.raises(WeightsError, match=rf"SHA-256 {right}, its config expects 0badc0de; it is not used"):
        fetch_weights(PretrainedCfg(file=str(file), sha256="0badc0de"))


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"^net\.tag: there is no file .*none\.pth"):
        fetch_weights(PretrainedCfg(file=str(tmp_path / "none.pth"), architecture="net", tag="tag"))


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
    assert not cached_path(cfg)
    with pytest.raises(WeightsError, match=message):
        fetch_weights(cfg)


@pytest.mark.parametrize("inside", ["../../secret", "/etc/passwd", "a/../../x", "a\\x", ""])
def test_a_file_outside_of_a_package_is_refused(inside: str) -> None:
    with pytest.raises(WeightsError, match="is no place in a package"):
        fetch_weights(PretrainedCfg(url=f"package:zoo_core/{inside}"))
