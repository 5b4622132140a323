"""The packages as users install them: from wheels, with their requirements, in environments."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest
from wheels import QUIET, ROOT, build_wheel, packages_of_others
from zoo_kit.conformance import Environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHOICES = {
    "core": ["zoo-core"],
    "kit": ["zoo-core[kit]"],
    "images": ["zoo-core[images]", "zoo-resnet"],
    "all": ["zoo-core[all]"],
}
COMMANDS = {"kit": {"new", "check", "manifest"}, "images": {"features", "classify"}, "inference": {"optimize", "bench"}}
NOTHING_OF_OURS = """
import sys

def test_it():
    assert [name for name in sys.modules if name.startswith("zoo")] == []
"""


class Installed(NamedTuple):
    """An environment of wheels."""

    environment: Environment
    home: Path

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment."""
        program = [str(self.environment.bin / command[0]), *command[1:]]
        chosen = self.environment.variables(COLUMNS="200", **variables)
        return subprocess.run(program, cwd=self.home, env=chosen, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    for project in ("core", "plugins/compat", "plugins/kit", "plugins/images", "plugins/inference", "plugins/resnet"):
        build_wheel(ROOT / project, folder)
    return folder


@pytest.fixture(scope="module")
def installed(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Installed]:
    """Install one of `CHOICES`, once. Packages of others are borrowed: pip needs no index."""
    folder = tmp_path_factory.mktemp("installed")
    others = packages_of_others(folder / "others")
    made: dict[str, Installed] = {}

    def install(choice: str) -> Installed:
        if choice not in made:
            environment = Environment(folder / choice, borrowed=[str(others)])
            home = folder / f"{choice}-home"
            home.mkdir()
            made[choice] = Installed(environment, home)
            done = environment.run("-m", "pip", "install", *QUIET, "--find-links", str(wheels), *CHOICES[choice])
            assert done.returncode == 0, done.stderr
        return made[choice]

    return install


@pytest.mark.parametrize("choice", CHOICES)
def test_the_commands_are_those_of_the_packages(choice: str, installed: Callable[[str], Installed]) -> None:
    here = installed(choice)
    for package, commands in COMMANDS.items():
        for command in commands:
            done = here.run("zoo", command, "--help")
            if choice in (package, "all"):
                assert (done.returncode, done.stderr) == (0, ""), command
                assert done.stdout.startswith(f"usage: zoo {command}")
            else:
                assert done.returncode == 2
                said = f"the command {command!r} is in zoo-{package}: pip install zoo-{package}"
                assert done.stderr == f"zoo: error: {said}\n"
    assert here.run("zoo", "doctor").returncode == 0


@pytest.mark.parametrize("choice", ["core", "images"])
def test_pytest_loads_nothing_of_ours_without_the_kit(choice: str, installed: Callable[[str], Installed]) -> None:
    here = installed(choice)
    (here.home / "test_it.py").write_text(NOTHING_OF_OURS)
    done = here.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout
    assert "--zoo-plugin" not in here.run("python", "-m", "pytest", "--help").stdout


@pytest.mark.heavy
def test_the_kit_makes_checks_and_tests_a_plugin(installed: Callable[[str], Installed], tmp_path: Path) -> None:
    here = installed("kit")
    assert here.run("zoo", "new", "acme", "--directory", str(tmp_path)).returncode == 0
    project = tmp_path / "zoo-acme"
    wheel = build_wheel(project, project / "dist")

    # The environment of the check has the kit, and nothing is left of it here.
    done = here.run("zoo", "check", str(wheel), "--json", "--only", "contract", "--only", "requirements")
    report = json.loads(done.stdout)
    assert [check["outcome"] for check in report["checks"]] == ["passed"] * 2, done.stderr
    assert "zoo-acme" not in here.run("zoo", "plugins").stdout

    done = here.run("python", "-m", "pip", "install", *QUIET, "--no-deps", str(wheel))
    assert done.returncode == 0, done.stderr
    done = here.run("python", "-m", "pytest", "-q", "--zoo-plugin", "zoo-acme", "-k", "contract")
    assert "1 passed" in done.stdout
    done = here.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(project), "-k", "contract")
    assert "1 passed" in done.stdout


def test_the_kit_checks_a_wheel_whatever_is_disabled(installed: Callable[[str], Installed], tmp_path: Path) -> None:
    here = installed("kit")
    assert here.run("zoo", "new", "kept", "--directory", str(tmp_path)).returncode == 0
    wheel = build_wheel(tmp_path / "zoo-kept", tmp_path / "dist")
    done = here.run("zoo", "check", str(wheel), "--only", "installation", ZOO_DISABLE_PLUGINS="zoo-kept")
    assert "1 passed" in done.stdout, done.stderr


def test_images_read_a_file(installed: Callable[[str], Installed]) -> None:
    here = installed("images")
    program = "from PIL import Image; Image.new('L', (40, 40), 'white').save('white.png')"
    assert here.run("python", "-c", program).returncode == 0
    done = here.run("zoo", "classify", "test_resnet.digits", "white.png", "--json")
    assert len(json.loads(done.stdout)["images"][0]["classes"]) == 3, done.stderr
    done = here.run("zoo", "features", "test_resnet.digits", "white.png", "--save", "maps.png")
    assert done.stdout.splitlines()[-1] == "wrote maps.png"
