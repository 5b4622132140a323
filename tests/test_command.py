"""The command with the ResNet plugin: what `make demo` shows, in processes of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commands import run_command

Image = pytest.importorskip("PIL.Image")

ROOT = Path(__file__).parents[1]


def zoo(*argv: object) -> subprocess.CompletedProcess[str]:
    return run_command(*map(str, argv))


def answer(*argv: object) -> dict:
    result = zoo(*argv, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)


def mistake(*argv: object) -> str:
    result = zoo(*argv)
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    return line.removeprefix("zoo: error: ")


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Digits 0 to 9 as PNG files, none of which the weights were trained on: what the demo
    writes."""
    folder = tmp_path_factory.mktemp("digits")
    program = "import sys, pathlib, demo; demo.write_digits(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", program, folder], cwd=ROOT / "examples", check=True)
    return sorted(folder.glob("digit-*.png"))


def test_info_reads_manifest_and_config_alone() -> None:
    program = (
        "import sys; from zoo_core.cli.main import main; main(['info', 'test_resnet'])\n"
        "sys.exit(' '.join({'torch', 'zoo_resnet'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.stderr.strip() == ""
    fields = dict(line.split(maxsplit=1) for line in result.stdout.splitlines() if " " in line)
    assert fields["tag"] == "digits"
    assert fields["plugin"] == "zoo-resnet"
    assert fields["licence"] == "cc-by-4.0 (permissive)"
    assert fields["maps"].startswith("32/2 32/4 48/8")
    assert "archive.ics.uci.edu" in fields["origin"]


def test_info_knows_whether_the_weights_are_on_this_machine() -> None:
    assert answer("info", "test_resnet.digits")["on_disk"] is True


def test_info_with_a_size_gives_parameters_and_maps() -> None:
    network = answer("info", "resnet50", "--input-size", "96x160")["network"]
    assert network["parameters"] == 25_557_032
    assert network["input_size"] == [3, 96, 160]
    assert [row["module"] for row in network["feature_maps"]] == ["act1", "layer1", "layer2", "layer3", "layer4"]
    assert [row["channels"] for row in network["feature_maps"]] == [64, 256, 512, 1024, 2048]
    assert [(row["height"], row["width"]) for row in network["feature_maps"]] == [
        (48, 80),
        (24, 40),
        (12, 20),
        (6, 10),
        (3, 5),
    ]


def test_classify_reads_every_digit_right(digits: list[Path]) -> None:
    images = answer("classify", "test_resnet.digits", *digits, "--top", 2)["images"]
    assert [each["classes"][0]["label"] for each in images] == list("0123456789")
    assert [len(each["classes"]) for each in images] == [2] * 10
    assert all(each["classes"][0]["probability"] > 0.5 for each in images)


def test_classify_takes_more_classes_than_there_are(digits: list[Path]) -> None:
    (image,) = answer("classify", "test_resnet", digits[3], "--top", 50)["images"]
    assert len(image["classes"]) == 10
    assert sum(each["probability"] for each in image["classes"]) == pytest.approx(1, abs=1e-4)


def test_classify_prints_a_table(digits: list[Path]) -> None:
    lines = zoo("classify", "test_resnet", digits[7], "--top", 1).stdout.splitlines()
    assert lines[1].split() == ["image", "class", "probability"]
    assert lines[2].split()[:2] == [str(digits[7]), "7"]


def test_features_are_those_of_the_wrapper(digits: list[Path], tmp_path: Path) -> None:
    import torch
    import zoo_core
    from safetensors import safe_open
    from zoo_images.feature_maps import config_of
    from zoo_images.transform import load_images

    file = tmp_path / "maps.safetensors"
    rows = answer("features", "test_resnet", *digits[:2], "--out-indices", 3, -1, "--output", file)["maps"]
    assert [(row["index"], row["module"]) for row in rows] == [(3, "layer3"), (4, "layer4")]
    assert [(row["channels"], row["height"], row["width"]) for row in rows] == [(192, 2, 2), (96, 1, 1)]

    net = zoo_core.create_model("test_resnet", pretrained=True, features_only=True, out_indices=(3, 4)).eval()
    with torch.inference_mode():
        maps = [net(image[None]) for image in load_images(digits[:2], config_of(net))]
    with safe_open(file, "pt") as saved:
        assert json.loads(saved.metadata()["images"]) == [str(path) for path in digits[:2]]
        assert sorted(saved.keys()) == ["layer3", "layer4"]
        for index, name in enumerate(("layer3", "layer4")):
            assert torch.equal(saved.get_tensor(name), torch.cat([each[index] for each in maps]))


def test_features_draws_a_picture(digits: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "maps.png"
    result = zoo("features", "test_resnet", digits[0], digits[1], "--save", path)
    assert result.stdout.splitlines()[-1] == f"wrote {path}"
    with Image.open(path) as picture:
        assert picture.width > 6 * 240
        assert picture.height > 2 * 240


def test_random_weights_are_said_to_be_random_and_are_the_same_again(digits: list[Path]) -> None:
    first, second = (answer("features", "resnet18", digits[0], "--random", "--input-size", 64) for _ in range(2))
    assert first == second
    assert first["weights"] == "random"
    assert "random weights" in zoo("features", "test_resnet", digits[0], "--random").stdout


def test_mistakes_are_one_line(digits: list[Path], tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear Sir or Madam")
    digit = digits[0]
    assert mistake("features", "test_resnet", letter) == f"{str(letter)!r} is not an image that Pillow can read"
    assert "'resnet50'" in mistake("features", "resnet5O", digit)
    assert "indices -5 to 4" in mistake("features", "test_resnet", digit, "--out-indices", 7)
    assert "--random" in mistake("features", "resnet50t", digit)
    assert "no pretrained weights" in mistake("classify", "resnet50t", digit)
    picture = tmp_path / "missing" / "maps.png"
    assert "there is no folder" in mistake("features", "test_resnet", digit, "--save", picture)
    (tmp_path / "folder.png").mkdir()
    assert "folder.png': Is a directory" in mistake("features", "test_resnet", digit, "--save", tmp_path / "folder.png")
    assert "must end in .safetensors" in mistake("features", "test_resnet", digit, "--output", tmp_path / "maps.pth")


def test_the_demo_classifies_extracts_and_says_what_next(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "examples" / "demo.py", "--output", tmp_path],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    for digit in range(10):
        line = next(
            line for line in result.stdout.splitlines() if line.startswith(f"{tmp_path / f'digit-{digit}.png'} ")
        )
        assert line.split()[1] == str(digit)
    assert "7 x 7" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("zoo --help")
    for picture in ("digits-maps.png", "flower-maps.png"):
        with Image.open(tmp_path / picture) as image:
            assert image.width > 6 * 240


def test_list_long_says_of_weights_what_a_person_decides_by() -> None:
    rows = {row["name"]: row for row in answer("list", "--long", "test_resnet", "ecaresnet50d_pruned")}
    digits = rows["test_resnet.digits"]
    assert digits["on_disk"] is True
    assert digits["bytes"] == 767_952
    assert digits["license"] == "cc-by-4.0"
    assert "archive.ics.uci.edu" in digits["origin"]
    pruned = rows["ecaresnet50d_pruned.miil_in1k"]
    assert pruned["bytes"] == pytest.approx(19_939_713 * 4, rel=0.01), "parameters of the pruned net, in float32"
    table = zoo("list", "--long", "test_resnet.digits").stdout
    assert "768.0 KB" in table
    assert "yes" in table


def test_info_says_about_how_large_a_download_is() -> None:
    assert "about 102.4 MB" in zoo("info", "resnet50.a1_in1k").stdout
    assert answer("info", "resnet50.a1_in1k")["bytes"] == pytest.approx(102.4e6, rel=0.001)
