"""What holds for every subcommand: help, mistakes, exit codes, and what is not imported."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from zoo_core.cli.main import COMMANDS, build_parser
from zoo_core.cli.parser import parse_size

if TYPE_CHECKING:
    from pathlib import Path


def mistake(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a mistake must be answered with."""
    assert result.returncode == 2, result
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("zoo: error: ")
    return lines[0].removeprefix("zoo: error: ")


def test_help_lists_every_command_with_examples(zoo) -> None:
    result = zoo("--help")
    assert result.returncode == 0
    listed = result.stdout.partition("COMMAND\n")[2].partition("examples:")[0].splitlines()
    assert [line.split()[0] for line in listed if line[:5].strip()] == list(COMMANDS)
    assert "zoo classify test_resnet.digits" in result.stdout


def test_without_a_command_the_help_is_printed(zoo) -> None:
    assert zoo().stdout == zoo("--help").stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        build_parser().parse_args([command, "--help"])
    assert exit_.value.code == 0
    assert f"zoo {command}" in capsys.readouterr().out.partition("examples:")[2]


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["list"], ["info", "tinynet"], ["plugins"]])
def test_what_needs_no_torch_loads_neither_torch_nor_a_plugin(environment: dict[str, str], argv: list[str]) -> None:
    program = (
        "import sys\n"
        "from zoo_core.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "loaded = {'torch', 'PIL', 'zoo_tiny', 'requests'} & set(sys.modules)\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, *argv], env=environment, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_the_version_is_the_packages(zoo) -> None:
    import zoo_core

    assert zoo("--version").stdout == f"zoo-core {zoo_core.__version__}\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["lst"], "unknown command 'lst'. Did you mean 'list'?"),
        (["--jsn"], "zoo has no option '--jsn'; see zoo --help"),
        (["info", "tinynet", "--bild"], "zoo info has no option '--bild'. Did you mean '--build'?"),
        (["info", "tinynet", "--bui"], "zoo info has no option '--bui'. Did you mean '--build'?"),
        (["info", "tinynet", "other"], "zoo info takes no further argument 'other'; see zoo info --help"),
        (["info"], "the following arguments are required: NAME"),
        (
            ["info", "tinynet", "--input-size", "12x"],
            "argument --input-size: '12x' is no size: expected pixels such as 320, or 320x480 (height x width)",
        ),
        (["classify", "tinynet", "x.png", "--top", "0"], "argument --top: '0' is no whole number from 1 up"),
    ],
)
def test_a_mistake_is_one_line_that_says_the_remedy(zoo, argv: list[str], message: str) -> None:
    assert mistake(zoo(*argv)) == message


def test_an_unknown_model_is_one_line_with_the_nearest_name(zoo) -> None:
    assert "'tinynet'" in mistake(zoo("info", "tinynett"))


def test_a_closed_pipe_ends_quietly(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "zoo_core.cli", "--help"]
    command[-1:] = ["info", "tinynet"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait() == 0
    process.stderr.close()


def test_a_size_is_height_then_width() -> None:
    assert parse_size("320x480") == (320, 480)
    assert parse_size("96") == (96, 96)


@pytest.fixture
def added(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """An environment in which a hook plugin adds one command that works and several that do not."""
    (tmp_path / "zoo_more.py").write_text(
        "from zoo_core.hooks import hookimpl\n"
        "@hookimpl\n"
        "def zoo_add_commands():\n"
        "    return {'hello': 'zoo_hello', 'info': 'zoo_hello', 'gone': 'zoo_gone', 'odd': 'json'}\n"
    )
    (tmp_path / "zoo_hello.py").write_text(
        "def add_parser(subparsers):\n"
        "    subparsers.add_parser('hello', help='greet').add_argument('whom')\n"
        "def run(args):\n"
        "    print('hello', args.whom)\n"
        "    return 3\n"
    )
    info = tmp_path / "zoo_more-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-more\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[zoo_core.hooks]\nmore = zoo_more\n")
    return {**environment, "PYTHONPATH": f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"}


def command(environment: dict[str, str], *argv: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "zoo_core.cli", *argv]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


def test_a_hook_plugin_adds_a_command(added: dict[str, str]) -> None:
    result = command(added, "hello", "world")
    assert (result.stdout, result.returncode) == ("hello world\n", 3)
    assert "    hello " in command(added, "--help").stdout


def test_an_added_command_that_does_not_work_is_left_out(added: dict[str, str]) -> None:
    warnings = command(added, "--help").stderr.splitlines()
    assert [line.split(" is left out: ") for line in warnings] == [
        ["zoo: warning: the command 'info' of zoo_hello", "the name is taken"],
        ["zoo: warning: the command 'gone' of zoo_gone", "ModuleNotFoundError: No module named 'zoo_gone'"],
        ["zoo: warning: the command 'odd' of json", "AttributeError: module 'json' has no attribute 'add_parser'"],
    ]


def test_cores_own_commands_ask_no_hook_plugin(added: dict[str, str]) -> None:
    assert command(added, "info", "tinynet").stderr == ""
