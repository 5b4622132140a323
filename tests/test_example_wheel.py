"""The example as its users get it: its wheel beside core's wheel alone; and that wheel, checked uninstalled."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from wheels import ROOT, build_wheel
from zoo_kit.conformance.environment import Environment

if TYPE_CHECKING:
    from pathlib import Path

USE = """
import zoo_core as zoo, zoo_tinynet, warnings, torch
assert zoo.list_models(include_tags=True) == ["tinynet_8.digits", "tinynet_16"], zoo.list_models(include_tags=True)
assert "venv" in zoo.__file__ and "venv" in zoo_tinynet.__file__, (zoo.__file__, zoo_tinynet.__file__)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    net = zoo.create_model("tinynet_digits", pretrained=True).eval()
assert "'tinynet_8.digits'" in str(said[0].message)
assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
old = {"classifier." + k[3:] if k.startswith("fc.") else k: v for k, v in net.state_dict().items()}
torch.save(old, "old.pth")
again = zoo.create_model("tinynet_8", checkpoint_path="old.pth", num_classes=10)
assert torch.equal(again.fc.weight, net.fc.weight)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT / "examples" / "zoo-tinynet", tmp_path_factory.mktemp("tinynet"))


def zoo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "zoo_core.cli", *arguments], capture_output=True, text=True)


def test_it_works_beside_the_wheel_of_core(tmp_path: Path, wheel: Path) -> None:
    made = Environment(tmp_path / "venv")
    made.install(str(build_wheel(ROOT / "core", tmp_path / "wheels")), str(wheel))
    command = [str(made.python), "-c", USE]
    variables = made.variables(ZOO_PLUGINS="zoo-tinynet,zoo-kit")
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_wheel_is_checked_without_being_installed(wheel: Path) -> None:
    done = zoo("check", str(wheel), "--json", "--only", "manifest", "--only", "shipped-weights", "--only", "listing")
    report = json.loads(done.stdout)
    assert (done.returncode, report["plugin"], report["conforms"]) == (0, "zoo-tinynet", True)
    assert [check["outcome"] for check in report["checks"]] == ["passed"] * 3
    assert "zoo-tinynet" not in zoo("plugins").stdout


def test_code_that_a_wheel_runs_at_startup_is_found(tmp_path: Path, wheel: Path) -> None:
    doctored = tmp_path / wheel.name
    doctored.write_bytes(wheel.read_bytes())
    with zipfile.ZipFile(doctored, "a") as archive:
        archive.writestr("tinynet.pth", "import zoo_tinynet\n")
    done = zoo("check", str(doctored), "--only", "listing")
    assert done.returncode == 1
    assert "a process that lists the models has imported zoo_tinynet" in done.stdout


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_text("no zip")
    for path, message in (("y.whl", "there is no wheel"), ("x.whl", "is not a zip file")):
        done = zoo("check", str(tmp_path / path))
        assert done.returncode == 2
        assert message in done.stderr
