"""The example as its users get it: its wheel beside the wheel of core."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from wheels import ROOT, build_wheel
from zoo_kit.conformance import Environment

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


def test_it_works_beside_the_wheel_of_core(tmp_path: Path) -> None:
    made = Environment(tmp_path / "venv")
    projects = (ROOT / "core", ROOT / "examples" / "zoo-tinynet")
    made.install(*(str(build_wheel(project, tmp_path / "wheels")) for project in projects))
    command = [str(made.python), "-c", USE]
    variables = made.variables(ZOO_PLUGINS="zoo-tinynet")
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
