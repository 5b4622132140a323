"""Completion, asked for by a real shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zoo_core
from zoo_core.cli.commands.zoo_completion import SHELLS
from zoo_core.cli.main import COMMANDS, main

if TYPE_CHECKING:
    from sites import Site

pytest.importorskip("argcomplete")
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")

HOOKS = """
from zoo_core.hooks import hookimpl
@hookimpl
def zoo_add_commands():
    return {"dance": "zoo_steps"}
"""
STEPS = """
from zoo_core.cli.parser import add_model_argument
def add_parser(subparsers):
    parser = subparsers.add_parser("dance")
    add_model_argument(parser)
    parser.add_argument("images", nargs="*")
    parser.add_argument("--tempo", choices=("adagio", "allegro"))
def run(args):
    print("dancing")
"""


@pytest.fixture
def complete(site: Site, tmp_path: Path):  # type: ignore[no-untyped-def]
    """What bash would offer after some words, in an environment with two plugins."""
    site.plugin("zoo-one", {"tiny18": ["a", "b"], "tiny101": [], "other": []})
    site.info("zoo-dance", entry_points="[zoo_core.hooks]\ndance = zoo_dance\n")
    site.package("zoo_dance", {"__init__.py": HOOKS})
    site.package("zoo_steps", {"__init__.py": STEPS})
    (tmp_path / "picture.png").touch()
    command = tmp_path / "bin" / "zoo"
    command.parent.mkdir()
    source = os.pathsep.join([str(site.root), str(Path(zoo_core.__file__).parents[1])])
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{source}" exec "{sys.executable}" -m zoo_core.cli "$@"\n')
    command.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
        "ZOO_PLUGINS": "zoo-one zoo-dance",
    }

    def run(*words: str) -> list[str]:
        line = " ".join(["zoo", *words])
        program = f"""
            eval "$(zoo completion bash)"
            COMP_WORDS=(zoo {" ".join(map(repr, words))}) COMP_CWORD={len(words)}
            COMP_LINE={line!r} COMP_POINT={len(line)} COMP_TYPE=9
            "$(complete -p zoo | sed 's/.*-F \\([^ ]*\\) .*/\\1/')" zoo {words[-1]!r} {["zoo", *words][-2]!r}
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        done = subprocess.run(
            ["bash", "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        return done.stdout.split()

    return run


@needs_bash
def test_bash_completes_commands_options_models_and_files(complete) -> None:  # type: ignore[no-untyped-def]
    assert complete("") == [*COMMANDS, "dance"]
    assert complete("do") == ["download", "doctor"]
    assert complete("list", "--f") == ["--family", "--families"]
    assert complete("info", "tiny") == ["tiny18", "tiny101"]
    assert complete("info", "tiny18.") == ["tiny18.a", "tiny18.b"]
    assert complete("completion", "f") == ["fish"]
    assert complete("cache", "v") == ["verify"]


@needs_bash
def test_bash_completes_commands_of_plugins(complete) -> None:  # type: ignore[no-untyped-def]
    assert complete("d") == ["download", "doctor", "dance"]
    assert complete("dance", "tiny1") == ["tiny18", "tiny101"]
    assert complete("dance", "tiny18", "pic") == ["picture.png"]
    assert complete("dance", "--te") == ["--tempo"]
    assert complete("dance", "--tempo", "al") == ["allegro"]


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_can_be_read_by_their_shell(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert "zoo" in text
    if shutil.which(shell):
        (tmp_path / "script").write_text(text)
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)


def test_argcomplete_is_loaded_only_to_complete() -> None:
    program = (
        "import sys; from zoo_core.cli.main import main; main(['list']); main(['info', 'tinynet'])\n"
        "sys.exit('argcomplete' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0


def test_without_argcomplete_the_remedy_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    monkeypatch.setitem(sys.modules, "argcomplete.shell_integration", None)
    assert main(["completion", "bash"]) == 2
    assert capsys.readouterr().err == "zoo: error: completion needs argcomplete: pip install 'zoo-core[cli]'\n"


def test_an_unknown_shell(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["completion", "tcsh"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("zoo: error: unknown shell 'tcsh'")
