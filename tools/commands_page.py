"""The outputs of docs/commands.md, from real runs: `python tools/commands_page.py`.

A block ``console`` has commands, each after ``$``, and what they print on both streams. Paths
of the machine become ``~``. A block ``console measured`` has figures that every run changes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/commands.md"
BLOCK = re.compile(r"^(```console( measured)?\n)(.*?)^```$", re.MULTILINE | re.DOTALL)
PREPARE = """
import sys
import zoo_core as zoo
from PIL import Image, ImageOps
ImageOps.mirror(Image.open("digits/digit-8.png")).save("digits/mirrored.png")
zoo.save_for_hub(zoo.create_model("test_resnet.digits", pretrained=True), "shared/digits")
"""
TRAIN = """import timm

net = timm.create_model("resnet50", pretrained=True)
mixup = timm.data.Mixup(0.8)
"""


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def written(page: str, *, measured: bool = True) -> str:
    """The page with the outputs of its commands as they are now; on request without measuring."""

    def block(found: re.Match[str]) -> str:
        return f"{found[1]}{outputs(found[3], home)}```" if measured or not found[2] else found[0]

    with tempfile.TemporaryDirectory() as name:
        home = Path(name).resolve()
        prepare(home)
        return BLOCK.sub(block, page)


def prepare(home: Path) -> None:
    """Write the files that the commands use."""
    (home / "digits").mkdir()
    shutil.copy(ROOT / "docs/pictures/digit-8.png", home / "digits")
    (home / "train.py").write_text(TRAIN, encoding="utf-8")
    subprocess.run([sys.executable, "-c", PREPARE], cwd=home, check=True)


def outputs(block: str, home: Path) -> str:
    """The commands of a block, each with what it prints."""
    commands = re.findall(r"^\$ (.*)$", block, re.MULTILINE)
    return "\n".join(f"$ {command}\n{output(command, home)}" for command in commands)


def output(command: str, home: Path) -> str:
    """What a command prints, without a progress bar's steps and without paths of this machine."""
    variables = {**os.environ, "COLUMNS": "100", "ZOO_CACHE": str(home / "cache"), "OMP_NUM_THREADS": "1"}
    variables["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), variables["PATH"]])
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=home,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    lines = [line.rpartition("\r")[2].rstrip() for line in done.stdout.splitlines() if "it/s]" not in line]
    text = "\n".join(line for line in lines if not re.search(r"\d+%\|", line)).strip("\n")
    text = re.sub(
        r"\S+/site-packages", "~/venv/site-packages", text.replace(str(home), "~").replace(str(ROOT), "~/zoo")
    )
    return f"{text}\n" if text else ""


if __name__ == "__main__":
    main()
