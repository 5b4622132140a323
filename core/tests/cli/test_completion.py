from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zoo_core
from zoo_core.cli.commands.zoo_completion import SHELLS, script
from zoo_core.cli.main import COMMANDS, main

if TYPE_CHECKING:
    from sites import Site

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")


@pytest.fixture
def complete(site: Site, tmp_path: Path):  # type: ignore[no-untyped-def]
    """What bash would offer after some words."""
    site.plugin("zoo-one", {"tiny18": ["a", "b"], "tiny101": [], "other": []})
    (tmp_path / "picture.png").touch()
    command = tmp_path / "bin" / "zoo"
    command.parent.mkdir()
    source = os.pathsep.join([str(site.root), str(Path(zoo_core.__file__).parents[1])])
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{source}" exec "{sys.executable}" -S -m zoo_core.cli "$@"\n')
    command.chmod(0o755)

    def run(*words: str) -> list[str]:
        program = script("bash") + f"COMP_CWORD={len(words)}\n_zoo\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
        program = f"COMP_WORDS=(zoo {' '.join(map(repr, words))})\n" + program
        environment = {**os.environ, "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        return done.stdout.split()

    return run


@needs_bash
def test_bash_completes_commands_options_models_and_files(complete) -> None:  # type: ignore[no-untyped-def]
    assert complete("d") == ["download", "doctor"]
    assert complete("list", "--f") == ["--family", "--families"]
    assert complete("info", "tiny") == ["tiny18", "tiny101"]
    assert complete("info", "tiny18.") == ["tiny18.a", "tiny18.b"]
    assert complete("classify", "tiny18", "pic") == ["picture.png"]
    assert complete("completion", "f") == ["fish"]


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_whole_and_the_shell_can_read_them(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)
    assert "{" not in text.replace("${", "").replace("{\n", "") or shell == "fish"
    if shutil.which(shell):
        (tmp_path / "script").write_text(text)
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)


def test_an_unknown_shell(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["completion", "tcsh"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("zoo: error: unknown shell 'tcsh'")
