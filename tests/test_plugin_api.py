"""The plugin API between releases: zoo-resnet's wheel beside a core of another version."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from wheels import ROOT, build_wheel
from zoo_kit.conformance.environment import Environment

if TYPE_CHECKING:
    from pathlib import Path

CREATE = "import zoo_core as zoo; print(zoo.create_model('test_resnet.digits', pretrained=True).num_classes)"


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT / "plugins" / "resnet", tmp_path_factory.mktemp("resnet"))


def environment(folder: Path, resnet: Path, version: str, api: int) -> Environment:
    """An environment with a core of this version and API, and today's zoo-resnet."""
    core = folder / "core"
    shutil.copytree(ROOT / "core", core, ignore=shutil.ignore_patterns("tests", "__pycache__"))
    for file, pattern, text in (
        ("_version.py", r'__version__ = ".*"', f'__version__ = "{version}"'),
        ("discovery/manifest.py", r"^API = \d+$", f"API = {api}"),
    ):
        path = core / "src" / "zoo_core" / file
        changed, count = re.subn(pattern, text, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert count == 1
        path.write_text(changed, encoding="utf-8")
    made = Environment(folder / "venv")
    made.install(str(build_wheel(core, folder / "wheels")), str(resnet))
    return made


def run(environment: Environment, *arguments: str) -> tuple[int, str]:
    done = environment.run(*arguments, ZOO_PLUGINS="zoo-resnet,zoo-kit", COLUMNS="200")
    return done.returncode, done.stdout + done.stderr


def zoo(environment: Environment, *arguments: str) -> tuple[int, str]:
    return run(environment, "-m", "zoo_core.cli", *arguments)


def test_a_core_of_a_higher_minor_with_the_same_api_takes_the_plugin(tmp_path: Path, resnet: Path) -> None:
    made = environment(tmp_path, resnet, "0.2.0", 1)
    assert zoo(made, "--version") == (0, "zoo-core 0.2.0\n")
    assert run(made, "-c", CREATE) == (0, "10\n")


@pytest.mark.parametrize(("api", "remedy"), [(2, "upgrade the plugin"), (0, "upgrade zoo-core")])
def test_a_core_of_another_api_says_which_to_upgrade(tmp_path: Path, resnet: Path, api: int, remedy: str) -> None:
    made = environment(tmp_path, resnet, "0.2.0", api)
    why = f"it was made for version 1 of the plugin API, and this zoo-core has version {api}: {remedy}"

    code, text = zoo(made, "list", "test_resnet")
    assert (code, text) == (0, "test_resnet\n")

    code, text = run(made, "-c", CREATE)
    assert code == 1
    assert "zoo_core.errors.PluginError: cannot create 'test_resnet.digits': plugin zoo-resnet 0.1.0" in text
    assert why in text.splitlines()[-1]

    code, text = zoo(made, "doctor")
    assert code == 1
    assert why in text
    assert "remedy: pip install --upgrade zoo-resnet zoo-core" in text

    code, text = zoo(made, "check", "zoo-resnet", "--only", "plugin-api")
    assert code == 1
    assert why in text
