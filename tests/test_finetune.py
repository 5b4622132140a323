"""The example of fine-tuning: its accuracy, what it leaves, and a run that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import zoo_core as zoo
from PIL import Image

pytest.importorskip("sklearn")
SCRIPT = Path(__file__).parents[1] / "examples" / "finetune.py"
COLOURS = {"blue": (30, 40, 200), "green": (40, 190, 50), "red": (210, 40, 30)}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    for name, colour in COLOURS.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(30):
            noise = torch.randint(-30, 31, (24 * 24, 3))
            pixels = (torch.tensor(colour) + noise).clamp(0, 255).to(torch.uint8)
            image = Image.frombytes("RGB", (24, 24), bytes(pixels.flatten().tolist()))
            image.save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


def command(data: Path | str, output: Path, *options: str) -> list[str]:
    return [sys.executable, str(SCRIPT), str(data), "--output", str(output), "--threads", "1", *options]


SHORT = ("--model", "test_resnet.digits", "--size", "32", "--head-epochs", "2", "--epochs", "3", "--batch", "16")


@pytest.mark.heavy
def test_a_killed_run_goes_on_to_the_same_numbers(photos: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = subprocess.run(command(photos, whole, *SHORT), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    history = json.loads((whole / "history.json").read_text())
    assert [row["stage"] for row in history] == ["head"] * 2 + ["all"] * 3
    assert history[-1]["accuracy"] > 0.9

    for epochs in (1, 4):  # in the middle of each stage
        process = subprocess.Popen(command(photos, killed, *SHORT), stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        while f"epoch {epochs:3d} " not in next(lines):
            pass
        time.sleep(0.05)  # the next epoch is under way
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
    assert len(json.loads((killed / "history.json").read_text())) < 5
    done = subprocess.run(command(photos, killed, *SHORT), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "going on after epoch 4" in done.stderr
    assert json.loads((killed / "history.json").read_text()) == history
    file = "model/model.safetensors"
    assert (killed / file).read_bytes() == (whole / file).read_bytes()

    net = zoo.create_model(f"local-dir:{killed / 'model'}", pretrained=True)
    assert net.pretrained_cfg["label_names"] == tuple(COLOURS)
    assert net.num_classes == 3
    with Image.open(killed / "confusion.png") as picture:
        assert len(picture.getcolors(10_000)) > 3

    other = subprocess.run([*command(photos, killed, *SHORT), "--seed", "1"], capture_output=True, text=True)
    assert (other.returncode, other.stderr.count("\n")) == (1, 1)
    assert "is of a run with other options" in other.stderr


def test_a_folder_without_classes_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run(command(empty, tmp_path / "output", "--size", "32"), capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"{empty} has no images of two or more classes: it needs a folder of images for each\n"


def test_an_unknown_model_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(command("digits", tmp_path, "--model", "tset_resnet"), capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "test_resnet" in done.stderr


@pytest.mark.heavy
def test_digits_from_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command("digits", tmp_path / "output"), capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    history = json.loads((tmp_path / "output" / "history.json").read_text())
    assert history[-1]["accuracy"] >= 0.98
