"""Fixtures of the tests that cross packages."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def importable_peers(request: pytest.FixtureRequest) -> None:
    """Let tests marked ``peers`` import timm and torchvision."""
    if request.node.get_closest_marker("peers"):
        import peers

        peers.prepare()
