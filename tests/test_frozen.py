"""A frozen app keeps its plugins without flags: PyInstaller, in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = """
import json, sys
import zoo_core as zoo
from zoo_core import registry
found = registry.find_model("frozen")
print(json.dumps({
    "names": zoo.list_models(), "url": zoo.get_pretrained_cfg("frozen").url, "frozen": getattr(sys, "frozen", False),
    "imported": "zoo_frozen" in sys.modules, "built": registry.load_constructor(found)(),
    "short": zoo.model_entrypoint("shorty")(), "plugins": [p.state for p in registry.plugins()],
}))
"""
PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "zoo-frozen"
version = "1.0"
[project.entry-points."zoo_core.models"]
frozen = "zoo_frozen:models.json"
shorty = "zoo_frozen.inner.short:shorty"
[tool.hatch.build.targets.wheel]
packages = ["zoo_frozen"]
"""
ROW = {"constructor": "zoo_frozen.net:frozen", "default": "t", "tags": ["t"]}
MODELS = {"api": 1, "family": "frozen", "configs": "configs.json", "architectures": {"frozen": ROW}}
FILES = {
    "pyproject.toml": PYPROJECT,
    "zoo_frozen/__init__.py": "",
    "zoo_frozen/net.py": "def frozen(): return 'built'\n",
    "zoo_frozen/inner/__init__.py": "",
    "zoo_frozen/inner/short.py": "def shorty(): return 'short'\n",
    "zoo_frozen/models.json": json.dumps(MODELS),
    "zoo_frozen/configs.json": json.dumps({"frozen.t": {"url": "https://x"}}),
}


@pytest.mark.heavy
def test_a_frozen_app_keeps_its_plugins(tmp_path: Path) -> None:
    for name, text in FILES.items():
        path = tmp_path / "plugin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "app.py").write_text(SCRIPT)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    needed = ["pyinstaller>=6", "importlib-metadata>=7", "hatchling>=1.26"]
    if subprocess.run([*pip, *needed], capture_output=True).returncode:
        pytest.skip("PyInstaller cannot be installed here")
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", ROOT / "core", tmp_path / "plugin"], check=True)
    command = [tmp_path / "venv" / "bin" / "pyinstaller", "--log-level", "WARN", "app.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    app = subprocess.run([tmp_path / "dist" / "app" / "app"], capture_output=True, text=True)
    assert app.returncode == 0, app.stderr
    assert json.loads(app.stdout) == {
        "names": ["frozen", "shorty"],
        "url": "https://x",
        "frozen": True,
        "imported": False,
        "built": "built",
        "short": "short",
        "plugins": ["ready", "ready"],
    }
