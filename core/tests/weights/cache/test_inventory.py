"""``zoo cache``: the files of the cache listed, verified and removed."""

import argparse
import hashlib
import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from weight_server import Server
from zoo_core.cli.commands import zoo_cache as cache_command
from zoo_core.cli.commands import zoo_download as download_command
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.weights.cache.address import key_of
from zoo_core.weights.fetch import fetch_weights


def zoo(*argv: str) -> int:
    """Run one of the two commands."""
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers(dest="command")
    commands = {"cache": cache_command, "download": download_command}
    for command in commands.values():
        command.add_parser(subparsers)
    args = parser.parse_args(argv)
    return commands[args.command].run(args)


@pytest.fixture
def filled(server: Server, cache: Path, weights: bytes) -> list[str]:
    """Two whole files, one rejected, one partial; their URLs."""
    other = save({"norm.weight": torch.ones(65)})
    urls = [server.add("/a/resnet.safetensors", weights), server.add("/b/densenet.safetensors", other)]
    for url in urls:
        fetch_weights(PretrainedCfg(url=url))
    for url, behaviour in (("/wrong-00000000.pth", {}), ("/partial.pth", {"cuts": [0] * 9, "etag": '"1"'})):
        with pytest.raises(WeightsError):
            fetch_weights(PretrainedCfg(url=server.add(url, b"12345678901234567890", **behaviour)))
    return urls


def listed(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, str]:
    capsys.readouterr()
    assert zoo("cache", "list", "--json", *argv) == 0
    return {Path(each["file"]).name: each["state"] for each in json.loads(capsys.readouterr().out)}


@pytest.mark.usefixtures("filled")
def test_everything_is_listed_with_its_size(cache: Path, weights: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(capsys) == {
        "densenet.safetensors": "whole",
        "partial.pth": "partial",
        "resnet.safetensors": "whole",
        "wrong-00000000.pth": "rejected",
    }
    zoo("cache", "list", "resnet")
    output = capsys.readouterr().out
    assert f"{len(weights)} B" in output
    assert f"1 files, {len(weights)} B in {cache}" in output
    zoo("cache", "path")
    assert capsys.readouterr().out == f"{cache}\n"


@pytest.mark.usefixtures("filled")
def test_prune_removes_what_is_of_no_use(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zoo("cache", "remove", "--dry-run")
    assert "2 files, 20 B would be removed" in capsys.readouterr().out
    assert len(listed(capsys)) == 4
    zoo("cache", "remove")
    assert set(listed(capsys)) == {"densenet.safetensors", "resnet.safetensors"}
    zoo("cache", "remove", "resnet*")
    assert set(listed(capsys)) == {"densenet.safetensors"}
    (cache / "weights" / "mine.safetensors").write_text("put there by somebody else")
    zoo("cache", "remove", "--all")
    assert [path.name for path in cache.rglob("*") if path.is_file()] == ["mine.safetensors"]


@pytest.mark.parametrize("left", [("receipt", "lock"), ("receipt",), ("lock",)], ids=str)
@pytest.mark.usefixtures("filled")
def test_a_removal_that_was_interrupted_is_finished_by_the_next(
    cache: Path, left: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = cache.rglob("resnet.safetensors")
    for path in (file, *(file.with_name(f"{file.name}.{each}") for each in {"receipt", "lock"} - {*left})):
        path.unlink(missing_ok=True)
    for each in left:
        file.with_name(f"{file.name}.{each}").touch()
    assert "leftover" in listed(capsys).values()
    zoo("cache", "remove")
    assert not list(cache.rglob("resnet*"))


def test_verify_reads_every_byte(
    filled: list[str], server: Server, cache: Path, weights: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert zoo("cache", "verify") == 0
    assert "2 of 2 files" in capsys.readouterr().out
    path = cache / "weights" / key_of(filled[0])
    times = path.stat()
    path.write_bytes(bytes(len(weights)))  # of the same size
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # and the same time: a disk that lost a bit
    assert zoo("cache", "verify") == 1
    captured = capsys.readouterr()
    assert "1 of 2 files" in captured.out
    assert "damaged (SHA-256" in captured.err
    assert fetch_weights(PretrainedCfg(url=filled[0])).read_bytes() == weights


def test_files_of_other_caches_are_listed_and_never_removed(
    server: Server, tmp_path: Path, weights: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"net-{hashlib.sha256(weights).hexdigest()[:8]}.pth"
    theirs = tmp_path / "torch" / "hub" / "checkpoints" / name
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(weights)
    fetch_weights(PretrainedCfg(url=f"{server.url}/{name}"))
    assert listed(capsys) == {name: "elsewhere"}
    zoo("cache", "remove", "--all")
    assert listed(capsys) == {}
    assert theirs.exists()


@pytest.mark.parametrize("action", [["verify"], ["remove"], ["remove", "--dry-run"], ["list"], ["verify", "--json"]])
@pytest.mark.usefixtures("filled")
def test_a_pattern_that_matches_nothing_is_said(action: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert zoo("cache", *action, "nosuch") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("zoo: error: no file in ")
    assert captured.err.endswith(" matches 'nosuch'; `zoo cache list` shows them\n")
    assert len(listed(capsys)) == 4
