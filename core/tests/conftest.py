"""What holds for every test of core."""

from typing import Any

import pytest
from sites import site  # noqa: F401 - a fixture
from zoo_core import registry
from zoo_core.discovery.registered import LocalPlugin


@pytest.fixture
def registrations(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which nothing is registered yet; what a test registers is forgotten after it."""
    monkeypatch.setattr(registry, "_local", LocalPlugin())
    monkeypatch.setattr(registry, "_index", None)


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Models that the test registers are forgotten after it."""
    fresh = LocalPlugin()
    monkeypatch.setattr(registry, "_local", fresh)
    registry.refresh()
    yield fresh
    registry.refresh()
