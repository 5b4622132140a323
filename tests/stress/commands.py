"""Hostile command lines: exit code 0, 1 or 2, and an error is one line that steers no terminal."""

from __future__ import annotations

import contextlib
import io
import os
import random
from pathlib import Path

from stress.names import PARTS, text
from stress.tally import Tally
from zoo_core.cli.main import COMMANDS, main
from zoo_core.cli.terminal import escaped

OPTIONS = [
    "--json",
    "--help",
    "--version",
    "--tags",
    "--long",
    "--sort",
    "--min-top1",
    "--max-params",
    "--license",
    "--family",
    "--module",
    "--pretrained",
    "--exclude",
    "--input-size",
    "--cache-dir",
    "--jobs",
    "--frozen",
    "--output",
    "--check",
    "--all",
    "--dry-run",
    "--random",
    "--save",
    "--top",
    "--out-indices",
    "--nosuch",
    "--",
    "-",
    "-h",
    "--=x",
    "--json=1",
    "--over",
]
TOOLS = ["migrate", "features", "classify", "new", "manifest", "lst", ""]
WORDS = [
    "list",
    "verify",
    "remove",
    "path",
    "test_resnet.digits",
    "test_resnet",
    "resnet*",
    "-1",
    "0",
    "1e9",
    "30M",
    "320x",
    "permissive",
    "zsh",
    "bash",
    "no-file.png",
]


def line(draw: random.Random) -> list[str]:
    words = [draw.choice([*COMMANDS, *COMMANDS, *TOOLS, text(draw)])]
    kinds = (OPTIONS, WORDS, WORDS, PARTS)
    words += [draw.choice(draw.choice(kinds)) if draw.random() < 0.8 else text(draw) for _ in range(draw.randrange(5))]
    return [word.replace("\0", "") for word in words]  # which no process can be given


def run(count: int, folder: Path, seed: int = 0) -> list[Tally]:
    """Run `count` command lines in `folder`, offline."""
    draw, tally = (
        random.Random(seed),
        Tally("A hostile command line ends in an answer or one clear line", "command lines"),
    )
    os.environ.update(
        ZOO_OFFLINE="1", HF_HUB_OFFLINE="1", ZOO_CACHE=str(folder / "cache"), HOME=str(folder), COLUMNS="80"
    )
    before = Path.cwd()
    os.chdir(folder)
    try:
        for _ in range(count):
            argv = line(draw)
            code, out, err = call(argv)
            problem = fault_of(code, out, err)
            tally.add(f"exit {code}", f"{argv!r}: {problem}" if problem else "")
    finally:
        os.chdir(before)
    return [tally]


def call(argv: list[str]) -> tuple[object, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code: object = main(argv)
        except SystemExit as error:
            code = error.code
        except BaseException as error:
            code = f"{type(error).__name__}: {error}"
    return code, out.getvalue(), err.getvalue()


def fault_of(code: object, out: str, err: str) -> str:
    """Return what is wrong with an answer; empty for nothing."""
    if code not in (0, 1, 2):
        return f"it ended with {code}"
    if "Traceback" in err:
        return err[-500:]
    if any(escaped(character) != character for character in out + err):
        return "it steers the terminal"
    if code == 2 and not all(each.startswith("zoo: ") for each in err.splitlines()):
        return f"its error is {err[:500]!r}"
    if "failed: " in err or "hook plugin zoo_core" in err:
        return err[-500:]
    return ""
