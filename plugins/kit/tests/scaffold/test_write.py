"""``zoo new``: the plugin that it writes works, conforms and is clean."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from zoo_core.cli.main import main
from zoo_kit.conformance import Environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NETS = Path(__file__).with_name("nets.py")
CASES = ("acme", "digits", "a-network-with-quite-a-long-name", "everything", "swin", "plain")
"""Plugins of the fixture `written`."""
SAME = """
import sys, torch, zoo_core as zoo
sys.path.insert(0, {folder!r})
import nets
torch.manual_seed(5)
original, other = nets.{original}(), nets.{original}()
net = zoo.create_model({architecture!r})
for key, value in original.state_dict().items():
    mine = net.state_dict()[key]
    if torch.equal(value, other.state_dict()[key]):
        assert torch.equal(mine, value), key
    elif value.numel() > 100:
        assert 0.8 < mine.std() / value.std() < 1.25, key
net.load_state_dict(original.state_dict())
images = torch.randn(2, net.in_chans, *net.plan.image_size)
out, wanted = net.eval()(images), original.eval()(images)
torch.testing.assert_close(torch.log_softmax(out, 1) if {original!r} == "Digits" else out, wanted)
torch.manual_seed(1); out = net.train()(images)
torch.manual_seed(1); wanted = original.train()(images)
torch.testing.assert_close(torch.log_softmax(out, 1) if {original!r} == "Digits" else out, wanted)
"""


def new(folder: Path, name: str, options: Sequence[str] = ()) -> Path:
    assert main(["new", name, "--directory", str(folder), *options]) == 0
    return folder / f"zoo-{name}"


def run(*command: str, cwd: Path) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of mypy's cache, so that torch is analysed once."""
    return str(tmp_path_factory.mktemp("types"))


@pytest.mark.heavy
@pytest.mark.parametrize("name", CASES)
def test_it_is_clean_as_written(name: str, types: str, written: Callable[[str], tuple[Path, str]]) -> None:
    plugin, _ = written(name)
    run("ruff", "check", ".", cwd=plugin)
    run("ruff", "format", "--check", ".", cwd=plugin)
    run("mypy", "--cache-dir", types, cwd=plugin)


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("acme", ""),
        pytest.param("digits", "Digits", marks=pytest.mark.heavy),
        pytest.param("a-network-with-quite-a-long-name", "Stages", marks=pytest.mark.heavy),
        pytest.param("everything", "Everything", marks=pytest.mark.heavy),
    ],
)
def test_it_installs_conforms_and_passes_its_own_tests(
    name: str, original: str, tmp_path: Path, written: Callable[[str], tuple[Path, str]]
) -> None:
    plugin, _ = written(name)
    environment = Environment(tmp_path / "venv")
    environment.install("--no-build-isolation", "--editable", str(plugin))
    variables = {"ZOO_PLUGINS": f"{plugin.name},zoo-kit"}
    done = environment.run("-m", "zoo_core.cli", "check", plugin.name, "--json", **variables)
    report = json.loads(done.stdout)
    assert [check for check in report["checks"] if check["outcome"] == "failed"] == []
    if not original:
        assert {check["check"] for check in report["checks"] if check["outcome"] == "skipped"} == {
            "hooks",
            "old-names",
            "shipped-weights",
        }
        # Its tests are the checks that have just run: two show that they do so here too.
        done = environment.run("-m", "pytest", "-q", str(plugin), "-k", "installation or contract", **variables)
        assert done.returncode == 0, done.stdout
        assert done.stdout.splitlines()[-1].startswith("2 passed"), done.stdout
    else:
        architecture = f"{name.replace('-', '_')}_tiny"
        program = SAME.format(folder=str(NETS.parent), original=original, architecture=architecture)
        done = environment.run("-c", program, **variables)
        assert done.returncode == 0, done.stderr


def test_a_plugin_is_ready_to_be_published(tmp_path: Path) -> None:
    plugin = new(tmp_path, "acme", ["--license", "mit", "--url", "https://example.org/acme"])
    project = tomllib.loads((plugin / "pyproject.toml").read_text())
    assert project["project"]["license"] == "MIT"
    assert project["project"]["urls"] == {"Repository": "https://example.org/acme"}
    assert (plugin / "LICENSE").read_text().startswith("MIT License\n\nCopyright (c) 20")
    release = (plugin / ".github/workflows/release.yml").read_text()
    assert "pypa/gh-action-pypi-publish" in release
    assert "zoo check dist/*.whl" in release


def test_the_version_stands_in_one_place(tmp_path: Path) -> None:
    plugin = new(tmp_path, "acme")
    init = plugin / "src/zoo_acme/__init__.py"
    init.write_text(init.read_text().replace("0.1.0", "0.2.0"))
    command = ["pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", "dist", "."]
    run(*command, cwd=plugin)
    (wheel,) = (plugin / "dist").glob("*.whl")
    assert wheel.name == "zoo_acme-0.2.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        assert any(name.endswith("/licenses/LICENSE") for name in archive.namelist())


def test_a_folder_that_exists_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "zoo-acme").mkdir()
    assert main(["new", "acme", "--directory", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert list((tmp_path / "zoo-acme").iterdir()) == []
