"""``zoo extract``, ``zoo verify`` and ``zoo search``, as a user runs them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import zoo_core
from commands import run_command
from PIL import Image
from safetensors.torch import save_file

if TYPE_CHECKING:
    import subprocess

MODEL = "test_resnet.digits"


def zoo(*argv: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return run_command(*map(str, argv), cwd=cwd)


def test_folder_to_vectors_to_nearest_images(photos: Path, tmp_path: Path) -> None:
    done = zoo("extract", photos, "--model", MODEL, "--output", "out", "--preview", "sheet.png", cwd=tmp_path)
    assert done.returncode == 1, "an image failed"
    assert "50/50" in done.stderr
    assert "images/s" in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "50 images to out"
    assert "1 images failed: their reasons are in out/failures.parquet" in lines
    assert pq.read_table(tmp_path / "out" / "features").num_rows == 50
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert len(sheet.convert("RGB").getcolors(1 << 24)) > 1000

    again = zoo("extract", photos, "--model", MODEL, "--output", "out", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["computed"] == 0
    assert zoo("verify", "out", cwd=tmp_path).stdout.startswith("50 images computed again: 0 differ")

    query = photos / "0004.jpg"
    matches = json.loads(zoo("search", "out", "--like", query, "--top", 3, "--json", cwd=tmp_path).stdout)
    assert next(match["path"] for match in matches) == "0004.jpg"
    assert next(round(match["similarity"], 4) for match in matches) == 1
    assert len(matches) == 3
    assert matches == json.loads(
        zoo("search", "out/features", "--like", query, "--top", 3, "--json", cwd=tmp_path).stdout
    )


def test_a_decoder_of_other_pixels_says_so(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.effect_noise((900, 700), 90).convert("RGB").save(tmp_path / "photos" / "large.jpg")
    done = zoo("extract", "photos", "--model", MODEL, "--output", "out", "--decoder", "draft", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"decoder draft: in 1 of the images \d+\.\d\d% of the pixels differ from Pillow's", done.stdout)
    assert zoo("verify", "out", cwd=tmp_path).stdout.startswith("1 images computed again: 0 differ")
    query = tmp_path / "photos" / "large.jpg"
    (match,) = json.loads(zoo("search", "out", "--like", query, "--json", cwd=tmp_path).stdout)
    assert round(match["similarity"], 5) == 1


def test_mistakes_are_one_line(photos: Path, tmp_path: Path) -> None:
    for argv, message in [
        (["extract", tmp_path / "none", "--model", MODEL, "--output", tmp_path / "o"], "there is no file, folder"),
        (["extract", photos, "--model", "resnet5O", "--output", tmp_path / "o"], "Did you mean 'resnet50'"),
        (
            ["extract", photos, "--model", MODEL, "--output", tmp_path / "o", "--features", "poled"],
            "Did you mean 'pooled'",
        ),
        (["extract", photos, "--model", MODEL, "--output", tmp_path / "o", "--features", "map9"], "has maps -5 to 4"),
        (["extract", photos, "--model", MODEL, "--output", tmp_path / "o", "--dtype", "float8"], "there is no dtype"),
        (
            ["extract", photos, "--model", MODEL, "--output", tmp_path / "o", "--format", "csv"],
            "there is no format 'csv'",
        ),
        (["extract", photos, "--model", MODEL, "--output", tmp_path / "o", "--device", "gpu"], "cannot run"),
        (
            ["extract", photos, "--model", MODEL, "--output", tmp_path / "o", "--preview", "sheet.bmp"],
            "must end in .png",
        ),
        (
            ["extract", photos, "--model", MODEL, "--output", tmp_path / "o", "--decoder", "drafts"],
            "there is no decoder 'drafts'. Did you mean 'draft'?",
        ),
        (["verify", tmp_path], "holds no features"),
        (["search", tmp_path, "--like", photos / "0001.jpg"], "holds no features"),
    ]:
        done = zoo(*argv)
        assert done.returncode == 2, argv
        (line,) = done.stderr.splitlines()
        assert line.startswith("zoo: error: "), argv
        assert message in line, argv
        assert not (tmp_path / "o").exists(), argv


def test_a_checkpoint_of_ones_own_is_run(tmp_path: Path) -> None:
    weights = dict(zoo_core.create_model(MODEL, pretrained=True).state_dict())
    for name in ("fc.weight", "fc.bias"):
        weights[name] = weights[name][[3, 8]].clone()  # a classifier of two classes
    save_file(weights, tmp_path / "own.safetensors")
    (tmp_path / "photos").mkdir()
    shutil.copy(Path(__file__).parents[4] / "docs/pictures/digit-8.png", tmp_path / "photos/8.png")
    own = ("--checkpoint", "own.safetensors", "--json")
    (image,) = json.loads(zoo("classify", MODEL, "photos/8.png", *own, cwd=tmp_path).stdout)["images"]
    assert [(each["label"], each["index"]) for each in image["classes"]] == [("class 1", 1), ("class 0", 0)]

    told = json.loads(zoo("features", MODEL, "photos/8.png", *own, cwd=tmp_path).stdout)
    assert told["weights"] == "own.safetensors"
    usual = json.loads(zoo("features", MODEL, "photos/8.png", "--json", cwd=tmp_path).stdout)
    assert told["maps"] == usual["maps"]

    for output, options in (("own", own), ("usual", ["--json"])):
        assert zoo("extract", "photos", "--model", MODEL, "--output", output, *options, cwd=tmp_path).returncode == 0
    vectors = [
        pq.read_table(tmp_path / output / "features").column("pooled").to_pylist() for output in ("own", "usual")
    ]
    assert vectors[0] == vectors[1]
    assert zoo("verify", "own", cwd=tmp_path).returncode == 0

    both = zoo("extract", "photos", "--model", MODEL, "--output", "both", "--random", *own, cwd=tmp_path)
    assert (both.returncode, both.stderr) == (
        2,
        "zoo: error: weights are either random or those of 'own.safetensors'\n",
    )
