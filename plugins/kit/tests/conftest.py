"""Fixtures of the kit's tests: a site with the kit, and an environment with two new plugins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zoo_kit
from sites import site as bare_site  # noqa: F401 - a fixture
from zoo_core import registry
from zoo_core.cli.main import main
from zoo_core.hooks import manager
from zoo_kit.conformance import Environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from sites import Site

    Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def site(bare_site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:  # noqa: F811 - the fixture
    """The site with the kit, whose commands ``zoo`` then has."""
    bare_site.info("zoo-kit", entry_points="[zoo_core.hooks]\nkit = zoo_kit.hooks\n")
    sys.path.append(str(Path(zoo_kit.__file__).parents[1]))  # the site's own list
    monkeypatch.setattr(manager, "_manager", None)  # the process's knows the hook plugins of this environment
    registry.refresh()
    return bare_site


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run Python with two new plugins, ``zoo-acme`` and ``zoo-broken``, whose feature_info is
    false."""
    folder = tmp_path_factory.mktemp("kit")
    environment = Environment(folder / "venv")
    for name in ("acme", "broken"):
        assert main(["new", name, "--directory", str(folder)]) == 0
        environment.install("--no-build-isolation", "--editable", str(folder / f"zoo-{name}"))
    model = folder / "zoo-broken/src/zoo_broken/model.py"
    model.write_text(model.read_text().replace('"reduction": 2', '"reduction": 4'))

    def run(*arguments: str, cwd: Path = folder, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [str(environment.python), "-m", *arguments]
        chosen = environment.variables(**{"ZOO_PLUGINS": "zoo-acme,zoo-broken,zoo-kit", **variables})
        return subprocess.run(command, cwd=cwd, env=chosen, capture_output=True, text=True)

    return run
