"""What tests of the kit share: a site, as core's tests have, in which the kit is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zoo_kit
from sites import site as bare_site  # noqa: F401 - a fixture
from zoo_core import registry
from zoo_core.hooks import manager

if TYPE_CHECKING:
    from sites import Site


@pytest.fixture
def site(bare_site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:  # noqa: F811 - the fixture
    """The site with the kit, whose commands ``zoo`` then has."""
    bare_site.info("zoo-kit", entry_points="[zoo_core.hooks]\nkit = zoo_kit.hooks\n")
    sys.path.append(str(Path(zoo_kit.__file__).parents[1]))  # the site's own list
    monkeypatch.setattr(manager, "_manager", None)  # the process's knows the hook plugins of this environment
    registry.refresh()
    return bare_site
