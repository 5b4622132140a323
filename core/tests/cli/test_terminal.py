"""What reaches a terminal: ordinary text as it is, what steers it written out; outputs that are
full or closed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from commands import run_command
from hypothesis import given, settings
from hypothesis import strategies as st
from tqdm import tqdm
from zoo_core.cli.main import COMMANDS
from zoo_core.cli.output import print_json, print_table
from zoo_core.cli.terminal import escaped, escaped_json, guarded_streams

if TYPE_CHECKING:
    from pathlib import Path

ORDINARY = "Grüße, 日本語\u3000and 👩‍👩‍👧 and שלום and a no-break\u00a0space\n"
STEERING = [
    "\x00",
    "\x07",
    "\b",
    "\t",
    "\r",
    "\x1b[2J",
    "\x7f",
    "\x85",
    "\x9b31m",
    "\u202e",
    "\u2066",
    "\u2028",
    "\udce9",
]

# A plugin with hostile strings wherever it has a say.
MODELS = {
    "api": 1,
    "family": "evil",
    "configs": "configs.json",
    "architectures": {"evil": {"constructor": "zoo_evil:evil", "tags": ["t"]}},
}
HOSTILE = "\x1b]0;owned\x07\x9b2J\u202eevil\udce9"
OVERRIDE = "Ä\u202e日"  # a control character would be refused where the config is made
PLUGIN = f"""
import warnings, logging
def evil(pretrained=False, **options):
    print({HOSTILE!r})
    warnings.warn({HOSTILE!r})
    logging.getLogger("evil").warning({HOSTILE!r})
    raise ValueError({HOSTILE!r})
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> dict[str, str]:
    """The environment of a process that sees plugins with hostile strings."""
    site = tmp_path_factory.mktemp("hostile")
    (site / "zoo_evil").mkdir()
    (site / "zoo_evil" / "__init__.py").write_text(PLUGIN)
    (site / "zoo_evil" / "models.json").write_text(json.dumps(MODELS))
    (site / "zoo_evil" / "configs.json").write_text(json.dumps({"evil.t": {"description": OVERRIDE, "license": "mit"}}))
    info = site / "zoo_evil-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-evil\nVersion: 1.0\nRequires-Dist: \x1b[31mx\n")
    (info / "entry_points.txt").write_text(
        "[zoo_core.models]\nevil = zoo_evil:models.json\nshort = zoo_evil:evil\ne\x1b[2J\x9bl = zoo\x1b[31m:x\u202ey\n"
    )
    path = f"{site}{os.pathsep}{environment['PYTHONPATH']}"
    return {**environment, "PYTHONPATH": path, "PYTHONWARNINGS": "default", "PYTHONUTF8": "1"}


def run(environment: dict[str, str], *argv: str | bytes) -> tuple[int, str, str]:
    done = run_command(*argv, env=environment)
    return done.returncode, done.stdout, done.stderr


def steers(text: str) -> bool:
    return any(escaped(character) != character for character in text)


@pytest.mark.parametrize("text", STEERING)
def test_what_steers_is_written_out(text: str) -> None:
    assert escaped(f"a{text}b").isprintable()
    assert json.loads(escaped_json(json.dumps([text], ensure_ascii=False))) == [text]


def test_ordinary_text_is_left_alone() -> None:
    assert escaped(ORDINARY) == ORDINARY
    assert escaped(ORDINARY, one_line=True) == ORDINARY[:-1] + r"\x0a"


@settings(max_examples=500, deadline=None)
@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_reads_as_the_same_values(value: object) -> None:
    text = escaped_json(json.dumps(value, indent=2, ensure_ascii=False))
    assert json.loads(text) == value
    assert not steers(text)


def test_a_progress_bar_is_lines_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    with guarded_streams():
        for done in tqdm(("one", "t\rwo"), mininterval=0):
            tqdm.write(done, file=sys.stderr)
    logged = capsys.readouterr().err
    assert "\r" not in logged
    assert "\\x0d 50%" not in logged
    assert "\n 50%|" in logged
    assert "t\\x0dwo" in logged


def test_a_cell_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("a\x1b[1m", "b"), [("x\ny\x9b", 1)], title="t\nu\x1b")
    assert capsys.readouterr().out.count("\n") == 3


def test_numbers_that_json_does_not_know_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"mean": float("nan"), "std": (1.5, float("inf"))})
    assert json.loads(capsys.readouterr().out) == {"mean": None, "std": [1.5, None]}


@pytest.mark.parametrize(
    "argv",
    [
        ["list"],
        ["list", "--long"],
        ["list", "--json", "--families"],
        ["info", "evil"],
        ["info", "evil", "--json"],
        ["info", "evil", "--build"],
        ["plugins"],
        ["plugins", "--json"],
        ["doctor"],
        ["doctor", "--json"],
        ["cache", "list", "--cache-dir", "a\x1b[2Jb\x9b"],
        ["cache", "path", "--cache-dir", "a\x1b[2Jb\x9b\nc"],
    ],
)
def test_hostile_strings_of_plugins_and_arguments_do_not_reach_the_terminal(
    hostile: dict[str, str], argv: list[str]
) -> None:
    code, out, err = run(hostile, *argv)
    assert code in (0, 1, 2), (out, err)
    assert not steers(out)
    assert not steers(err)
    assert "Traceback" not in err
    if "--json" in argv:
        json.loads(out)
        assert "info" not in argv or json.loads(out)["config"]["description"] == OVERRIDE


LONG = "a" * 100_000


@pytest.mark.parametrize(
    "argv",
    [
        [b"\xff\x1b[2J"],
        ["info", b"\xff\x9b"],
        ["info", LONG],
        ["info", "tinynet." + LONG],
        ["info", LONG + "/tinynet"],
        ["info", "local-dir:/" + LONG],
        ["info", "tinynet", "--input-size", "9" * 5000],
        ["info", "tinynet", "--input-size", "70000"],
        ["info", "tinynet", "\x1b[2J"],
        ["info", "tinynet", "--\x1b[2J"],
        ["compare", "tinynet", "\x1b[2J"],
        ["compare", LONG],
        ["list", "--max-params", "9" * 5000],
        ["list", "--min-top1", "\x1b[2J"],
        ["list", "--license", "permisive\x1b[2J"],
        ["list", "--long", "--sort", b"\xff"],
        ["classify", "tinynet", LONG],
        ["classify", "tinynet", b"\xff\x1b.png"],
        ["classify", "tinynet", "x.png", "--top", "9" * 5000],
        ["features", "tinynet", "\x1b[2J.png", "--random"],
        ["features", "tinynet", "x.png", "--out-indices", "9" * 5000],
        ["features", "tinynet", "x.png", "--save", LONG + ".png"],
        ["download", "tinynet\x1b[2J", LONG],
        ["download", "tinynet", "--jobs", "0"],
        ["download", "tinynet", "--jobs", "-3"],
        ["download", "tinynet", "--cache-dir", LONG],
        ["lock", "\x1b[2J", LONG],
        ["lock", "--check", "--output", LONG],
        ["lock", "--output", "\x1b[2J\x9b"],
        ["cache", "list", "--cache-dir", LONG],
        ["cache", "\x1b[2J"],
        ["manifest", "\x1b[2J"],
        ["manifest", LONG],
        ["manifest", ".."],
        ["manifest", ""],
        ["check", "\x1b[2J"],
        ["check", LONG + ".whl"],
        ["check", "\x9b.whl"],
        ["check", "zoo-tiny", "--only", "\x1b[2J"],
        ["new", "\x1b[2J"],
        ["new", LONG],
        ["new", "acme", "--from", ""],
        ["new", "acme", "--from", LONG],
        ["new", "acme", "--from", "\x1b:x"],
        ["new", "acme", "--architecture", b"\xff"],
        ["new", "acme", "--directory", LONG],
        ["completion", "\x1b[2J"],
    ],
    ids=lambda argv: repr(argv)[:60],
)
def test_any_argument_ends_in_one_line(environment: dict[str, str], argv: list[str | bytes], tmp_path: Path) -> None:
    done = run_command(*argv, env=environment, cwd=tmp_path)
    out, err = done.stdout, done.stderr
    lines = err.splitlines()
    if argv[0] not in ("download", "cache"):
        assert len(lines) == 1, err[-2000:]
    assert done.returncode == 2, (out, err[-2000:])
    assert all(line.startswith("zoo: error: ") and len(line) < 5000 for line in lines), err[-2000:]
    assert not steers(out + err)
    assert list(tmp_path.iterdir()) == []


PRINTING = [
    ["list"],
    ["--help"],
    ["list", "--help"],
    ["--version"],
    ["info", "tinynet"],
    ["plugins", "--json"],
    ["doctor"],
]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this platform has no /dev/full")  # noqa: PTH110
@pytest.mark.parametrize("argv", PRINTING, ids=" ".join)
def test_a_full_disk_is_one_line(environment: dict[str, str], argv: list[str]) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        command = [sys.executable, "-m", "zoo_core.cli", *argv]
        done = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == "zoo: error: cannot write to standard output: No space left on device\n"


@pytest.mark.skipif(os.name == "nt", reason="the shell's way to close an output")
@pytest.mark.parametrize("argv", PRINTING, ids=" ".join)
def test_a_closed_output_is_one_line(environment: dict[str, str], argv: list[str]) -> None:
    command = f'exec "{sys.executable}" -m zoo_core.cli {" ".join(argv)} >&-'
    done = subprocess.run(command, shell=True, env=environment, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == "zoo: error: cannot write to standard output: it is closed\n"


@pytest.mark.skipif(os.name == "nt", reason="the shell's way to close an output")
@pytest.mark.parametrize("closing", ["2>&-", "2>/dev/full", ">&- 2>&-"])
@pytest.mark.parametrize(("argv", "code"), [("list", 0), ("info nosuch", 2), ("", 0), ("lst", 2)])
def test_without_standard_error_the_exit_code_is_the_same(
    environment: dict[str, str], argv: str, code: int, closing: str
) -> None:
    command = f'"{sys.executable}" -m zoo_core.cli {argv} {closing}'
    done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True)
    assert done.returncode == (2 if ">&- 2" in closing else code)
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("argv", [["info", "evil"], ["info", "evil", "--json"], ["info", "ä\u202e日"]])
def test_an_encoding_that_lacks_characters(hostile: dict[str, str], argv: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zoo_core.cli", *argv],
        env={**hostile, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        encoding="ascii",
    )
    assert "Traceback" not in done.stderr
    if "--json" in argv:
        json.loads(done.stdout)


def test_prints_of_a_plugin_do_not_corrupt_json(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "zoo_loud.py").write_text(
        "print('at import')\n"
        "def loud(pretrained=False, **options):\n"
        "    from torch import nn\n"
        "    print('in the constructor')\n"
        "    return nn.Conv2d(3, 4, 1)\n"
    )
    info = tmp_path / "zoo_loud-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-loud\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[zoo_core.models]\nloud = zoo_loud:loud\n")
    path = f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"
    code, out, err = run({**environment, "PYTHONPATH": path}, "info", "loud", "--build", "--json")
    assert (code, json.loads(out)["network"]["parameters"]) == (0, 16)
    assert err == "at import\nin the constructor\n"


def test_every_command_is_tried_with_odd_arguments() -> None:
    """Commands that take no argument have none to be hostile."""
    (marks,) = [m for m in test_any_argument_ends_in_one_line.pytestmark if m.name == "parametrize"]  # type: ignore[attr-defined]
    assert {argv[0] for argv in marks.args[1]} >= set(COMMANDS) - {"list", "plugins", "doctor"}
