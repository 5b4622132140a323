"""``zoo new``: what it writes works, conforms, and is clean."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from zoo_core import refresh
from zoo_core.cli.main import main
from zoo_kit.conformance.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NETS = Path(__file__).with_name("nets.py")
CASES = {
    "acme": ["--architecture", "acme_s", "--architecture", "acme_m", "--license", "MIT"],
    "digits": ["--from", f"{NETS}:Digits"],
    "a-network-with-quite-a-long-name": ["--from", f"{NETS}:Stages"],
    "everything": ["--from", f"{NETS}:Everything"],
    "swin": ["--from", f"{NETS.with_name('strangers.py')}:Swin"],
    "plain": ["--from", f"{NETS.with_name('strangers.py')}:PlainSequential"],
}
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
    """Where mypy keeps what it learnt of torch."""
    return str(tmp_path_factory.mktemp("types"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, str]]:
    """Write a plugin of `CASES` once; its folder, and what the command said."""
    folder = tmp_path_factory.mktemp("written")

    @cache
    def written(name: str) -> tuple[Path, str]:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            plugin = new(folder, name, CASES[name])
        return plugin, said.getvalue()

    return written


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.heavy] * (name == "plain")) for name in CASES])
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
        ("a-network-with-quite-a-long-name", "Stages"),
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
        done = environment.run("-m", "pytest", "-q", str(plugin), **variables)
        assert done.returncode == 0, done.stdout
    else:
        architecture = f"{name.replace('-', '_')}_tiny"
        program = SAME.format(folder=str(NETS.parent), original=original, architecture=architecture)
        done = environment.run("-c", program, **variables)
        assert done.returncode == 0, done.stderr


def test_options_are_those_that_the_walk_does_not_depend_on(written: Callable[[str], tuple[Path, str]]) -> None:
    plugin, said = written("digits")
    config = (plugin / "src/zoo_digits/config.py").read_text()
    assert "hidden: int = 84" in config
    assert "dropout" not in config
    assert "as the walk depends on them: dropout" in said
    assert "log_softmax" in said
    assert "28x28 only" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["2fast"], "'2fast' cannot name a plugin: it begins with a digit"),
        (["a b"], "'a b' cannot name a plugin: ' ' is neither"),
        (["core"], "'core' cannot name a plugin: zoo-core is Zoo itself"),
        (["class"], "'class' cannot name a plugin: it is a word of Python"),
        (["_"], "'_' cannot name a plugin: it has no letter"),
        (["a" * 101], "it has more than 100 characters"),
        (["resnet"], "zoo-resnet is a plugin of others: choose another name, such as 'my-resnet'"),
        (["acme", "--license", "MTI"], "--license 'MTI' is no SPDX identifier"),
        (["acme", "--url", "github.com/acme"], "expected an address that begins with https://"),
        (["acme", "--from", ""], "--from '': expected FILE.py:Class"),
        (["acme", "--from", "nowhere.nets:Net"], "No module named 'nowhere'"),
        (["acme", "--architecture", "acme-s"], "'acme-s' cannot name an architecture"),
        (["acme", "--architecture", "model"], "cannot be named 'model'"),
        (["acme", "--input-size", "32"], "--input-size belongs to --from"),
        (["acme", "--from", "nets/Digits"], "expected FILE.py:Class"),
        (["acme", "--from", "nowhere.py:Net"], "there is no file nowhere.py"),
        (["acme", "--from", f"{NETS}:Stage"], "has no torch.nn.Module 'Stage'. Did you mean 'Stages'"),
        (["acme", "--from", f"{NETS}:Needy"], "Needy needs its argument 'width'"),
        (["acme", "--from", f"{NETS}:Dense"], "Dense has no convolution"),
        (["acme", "--from", f"{NETS}:Branching"], "torch.fx cannot follow the forward of Branching"),
        (["acme", "--from", f"{NETS}:Digits", "--input-size", "64"], "takes no images of 1 channels and 64x64 pixels"),
    ],
    ids=str,
)
def test_mistakes(arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", *arguments, "--directory", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_plugin_is_ready_to_be_published(tmp_path: Path) -> None:
    plugin = new(tmp_path, "acme", ["--license", "mit", "--url", "https://example.org/acme"])
    project = tomllib.loads((plugin / "pyproject.toml").read_text())
    assert project["project"]["license"] == "MIT"
    assert project["project"]["urls"] == {"Repository": "https://example.org/acme"}
    assert (plugin / "LICENSE").read_text().startswith("MIT License\n\nCopyright (c) 20")
    release = (plugin / ".github/workflows/release.yml").read_text()
    assert "pypa/gh-action-pypi-publish" in release
    assert "zoo check dist/*.whl" in release


def test_a_licence_whose_text_is_not_at_hand_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plugin = new(tmp_path, "acme", ["--license", "MPL-2.0"])
    assert f"the text of MPL-2.0 is not at hand: put it into {plugin / 'LICENSE'}" in capsys.readouterr().out
    assert "SPDX-License-Identifier: MPL-2.0" in (plugin / "LICENSE").read_text()


def test_the_version_stands_in_one_place(tmp_path: Path) -> None:
    plugin = new(tmp_path, "acme")
    init = plugin / "src/zoo_acme/__init__.py"
    init.write_text(init.read_text().replace("0.1.0", "0.2.0"))
    command = ["pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", "dist", "."]
    run(*command, cwd=plugin)
    (wheel,) = (plugin / "dist").glob("*.whl")
    assert wheel.name == "zoo_acme-0.2.0-py3-none-any.whl"
    assert any(name.endswith("/licenses/LICENSE") for name in zipfile.ZipFile(wheel).namelist())


def test_what_is_installed_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site"
    info = site / "zoo_acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: zoo-acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[zoo_core.models]\nacme = zoo_acme:models.json\n")
    monkeypatch.syspath_prepend(site)
    refresh()
    try:
        assert main(["new", "acme", "--directory", str(tmp_path)]) == 2
    finally:
        monkeypatch.undo()
        refresh()
    assert "zoo-acme is installed already, and the new one would replace it" in capsys.readouterr().err
    assert not (tmp_path / "zoo-acme").exists()


def test_a_name_that_others_may_have_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new(tmp_path, "acme", ["--architecture", "resnet_acme"])
    assert "resnet_acme may be a name of zoo-resnet too" in capsys.readouterr().out


def test_a_folder_that_exists_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "zoo-acme").mkdir()
    assert main(["new", "acme", "--directory", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert list((tmp_path / "zoo-acme").iterdir()) == []


def test_a_file_that_needs_its_neighbours_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "neighbour.py").write_text("WIDTH = 4\n")
    (tmp_path / "net.py").write_text("import neighbour\nfrom torch import nn\nclass Net(nn.Module): pass\n")
    assert main(["new", "acme", "--from", f"{tmp_path / 'net.py'}:Net", "--directory", str(tmp_path)]) == 2
    assert "imports neighbour, which lies beside it" in capsys.readouterr().err
