"""Generated environments: directories with distributions, as an installer leaves them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import importlib_metadata  # noqa: F401 - the scan's fallback, while sys.path has the standard library only
import packaging.requirements
import packaging.version  # noqa: F401 - the same for versions and requirements
import pluggy  # noqa: F401 - the same for hooks
import pytest
import zoo_core
from zoo_core import registry
from zoo_core.discovery.manifest import API, HEADER
from zoo_core.hooks import manager
from zoo_core.names import natural_sort

SOURCE = Path(zoo_core.__file__).parents[1]
BODY = "def __getattr__(name):\n    return lambda pretrained=False, **options: (name, pretrained, options)\n"


class Site:
    """A directory of the path, to put distributions in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def info(self, name: str, version: str = "1.0", entry_points: str | bytes = "", metadata: str | None = "") -> Path:
        """Write a dist-info directory; without METADATA where `metadata` is None."""
        folder = self.root / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        if metadata is not None:
            header = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}"
            (folder / "METADATA").write_text(header, encoding="utf-8")
        if entry_points:
            data = entry_points.encode() if isinstance(entry_points, str) else entry_points
            (folder / "entry_points.txt").write_bytes(data)
        return folder

    def package(self, name: str, files: dict[str, str] | None = None) -> Path:
        """Write a package; every name is a constructor in it, unless `files` say otherwise."""
        folder = self.root / name
        for path, text in {"__init__.py": BODY, **(files or {})}.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return folder

    def plugin(
        self,
        distribution: str,
        models: dict[str, list[str]] | list[str],
        *,
        family: str | None = None,
        files: dict[str, str] | None = None,
        aliases: dict[str, str] | None = None,
        header: bool = True,
        version: str = "1.0",
        configs: dict[str, dict[str, Any]] | None = None,
        **manifest: Any,
    ) -> Path:
        """Write a whole plugin, of architectures to tags; returns its package."""
        package, models = (
            distribution.replace("-", "_"),
            models if isinstance(models, dict) else {name: [] for name in models},
        )
        family, aliases = family or distribution.removeprefix("zoo-"), aliases or {}
        rows: dict[str, dict[str, Any]] = {}
        for name, tags in models.items():
            rows[name] = {"constructor": f"{package}:{name}", **({"default": tags[0], "tags": tags} if tags else {})}
        values = {"architectures": rows, "aliases": aliases, **manifest}
        if header:
            line = HEADER.format(
                api=API,
                family=family,
                configs="configs.json",
                names=" ".join(natural_sort(models)),
                old_names=" ".join(aliases),
            )
            text = f"{line}\n{json.dumps(values).removeprefix('{')}\n"
        else:
            text = json.dumps({"api": API, "family": family, "configs": "configs.json", **values})
        found = {f"{n}.{t}": {"url": f"https://x/{n}.{t}"} for n, tags in models.items() for t in tags}
        json_files = {"models.json": text, "configs.json": json.dumps(found if configs is None else configs)}
        folder = self.package(package, {**json_files, **(files or {})})
        self.info(distribution, version, f"[zoo_core.models]\n{family} = {package}:models.json\n")
        return folder

    def run(
        self, program: str, *arguments: str, check: bool = True, bare: bool = True, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in a fresh interpreter that has this directory, zoo_core and, if `bare`,
        nothing installed."""
        path = os.pathsep.join((str(self.root), str(SOURCE)))
        kept = {k: v for k, v in os.environ.items() if k not in ("ZOO_PLUGINS", "ZOO_DISABLE_PLUGINS")}
        command = [sys.executable, *(["-S"] if bare else []), "-W", "error", "-c", program, *arguments]
        environment = {**kept, "PYTHONPATH": path, **environ}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A site that this process has on its path, with nothing else installed. What it imported is
    forgotten after."""
    site = Site(tmp_path / "site")
    standard = [sysconfig.get_path("stdlib"), sysconfig.get_config_var("DESTSHARED") or ""]
    monkeypatch.setattr(sys, "path", [str(site.root), *standard])
    monkeypatch.delenv("ZOO_PLUGINS", raising=False)
    monkeypatch.delenv("ZOO_DISABLE_PLUGINS", raising=False)
    kept = ("zoo_core", "zoo_kit")  # the machinery, as opposed to plugins with models
    # A plugin that an earlier test imported would be found in sys.modules, whatever the path says.
    for name in [name for name in sys.modules if name.startswith("zoo_") and name.partition(".")[0] not in kept]:
        monkeypatch.delitem(sys.modules, name)
    # Nor has this site the hook plugins that an earlier test's process had.
    for name, value in (("_manager", None), ("_asked", None), ("_problems", {})):
        monkeypatch.setattr(manager, name, value)
    before = set(sys.modules)
    registry.refresh()
    yield site
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]
    monkeypatch.undo()
    registry.refresh()
