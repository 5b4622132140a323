"""``zoo optimize`` and ``zoo bench``, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peers
import pytest
import torch
import zoo_core
import zoo_inference
from safetensors.torch import save_file
from zoo_core.cli.main import main

BENCH = ("bench", "test_resnet", "--threads", "1", "--seconds", "0.05")


def answer(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    """What a command prints as JSON."""
    assert main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_optimize_says_what_was_tried_and_saves(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "fast.safetensors"
    words = ("optimize", "test_resnet.digits", "--threads", "1", "--budget", "10", "--output", str(file))
    result = answer(capsys, *words, "--backends", "folded", "fused")
    assert [attempt["name"] for attempt in result["attempts"]] == ["folded", "fused"]
    assert result["shape"] == [1, 3, 32, 32]
    assert result["machine"]["threads"] == 1
    assert zoo_inference.load(file).report.to_dict()["attempts"] == result["attempts"]

    assert main([*words[:-2], "--backends", "folded"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("test_resnet.digits, 1 x 3 x 32 x 32")
    assert "times as fast as the model as given" in text


def test_optimize_of_a_checkpoint_of_ones_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    net = zoo_core.create_model("test_resnet", num_classes=3).eval()
    own, file = tmp_path / "own.safetensors", tmp_path / "fast.safetensors"
    save_file(net.state_dict(), own)
    words = ("optimize", "test_resnet", "--checkpoint", str(own), "--backends", "folded", "--budget", "5")
    assert answer(capsys, *words, "--threads", "1", "--output", str(file))["attempts"]
    images = torch.ones(1, 3, 32, 32)
    torch.testing.assert_close(zoo_inference.load(file)(images), net(images), rtol=1e-3, atol=1e-3)


def test_optimize_of_an_extractor_with_random_weights(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("optimize", "test_cspnet", "--random", "--features-only", "--batch-size", "2", "--input-size", "64x32")
    result = answer(capsys, *words, "--backends", "folded", "--budget", "5", "--threads", "1")
    assert result["shape"] == [2, 3, 64, 32]
    assert result["attempts"][0]["error"] < 1e-4


def test_bench_measures_by_batch_and_size(capsys: pytest.CaptureFixture[str]) -> None:
    result = answer(capsys, *BENCH, "--batch-size", "2", "3", "--input-size", "32", "48x32", "--train")
    rows = result["rows"]
    kinds = {(row["mode"], row["batch"], tuple(row["size"])) for row in rows}
    assert kinds == {
        (mode, batch, size) for mode in ("inference", "training") for batch in (2, 3) for size in ((32, 32), (48, 32))
    }
    for row in rows:
        assert row["milliseconds"]["low"] <= row["milliseconds"]["median"] <= row["milliseconds"]["high"]
        assert row["images_per_second"] == pytest.approx(row["batch"] / row["milliseconds"]["median"] * 1e3)
        assert row["ratio"] is None
    by_kind = {(row["mode"], row["batch"], row["size"][0]): row for row in rows}
    assert by_kind["training", 2, 32]["peak_bytes"] > by_kind["inference", 2, 32]["peak_bytes"]
    assert by_kind["inference", 2, 48]["multiply_adds"] > by_kind["inference", 2, 32]["multiply_adds"]
    assert main([*BENCH]) == 0
    assert "times faster" in capsys.readouterr().out


def test_bench_fails_below_a_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    words = (*BENCH, "--optimize", "folded", "--budget", "3")
    result = answer(capsys, *words, "--fail-below", "1000", code=1)
    assert result["missed"] == 1
    (row,) = [row for row in result["rows"] if row["contestant"] == "optimized"]
    assert row["engine"] in ("folded", "as given")
    assert row["over"] == "zoo"
    assert answer(capsys, *words, "--fail-below", "0.001")["missed"] == 0


@pytest.mark.peers
def test_bench_beside_timm(capsys: pytest.CaptureFixture[str]) -> None:
    peers.prepare()
    result = answer(capsys, "bench", "resnet18", "--input-size", "32", "--compare", "timm", *BENCH[2:])
    ours, theirs = result["rows"]
    assert (ours["contestant"], ours["over"], theirs["contestant"]) == ("zoo", "timm", "timm")
    assert 0.3 < ours["ratio"]["median"] < 3
    assert main(["bench", "test_densenet", "--compare", "timm", *BENCH[2:]]) == 2
    assert "timm cannot create 'test_densenet'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bench", "test_resnet", "--fail-below", "1"], "--fail-below needs something to be compared with"),
        (["bench", "test_resnet", "--compare", "tim"], "unknown peer 'tim'"),
        (["bench", "test_resnet", "--plot", "picture.gif"], "expected a .png or .svg file"),
        (["bench", "test_resne"], "Did you mean 'test_resnet'"),
        (["optimize", "test_resnet", "--random", "--backends", "onnxruntim"], "Did you mean 'onnxruntime'"),
        (["optimize", "test_resnet", "--random", "--output", "fast.pt"], "must end in .safetensors"),
    ],
)
def test_mistakes(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err
