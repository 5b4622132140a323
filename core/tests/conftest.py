"""What holds for every test of core."""

import pytest
from zoo_core import registry
from zoo_core.discovery.local import LocalPlugin


@pytest.fixture
def registrations(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which nothing is registered yet; what a test registers is forgotten after it."""
    monkeypatch.setattr(registry, "_local", LocalPlugin())
    monkeypatch.setattr(registry, "_index", None)
