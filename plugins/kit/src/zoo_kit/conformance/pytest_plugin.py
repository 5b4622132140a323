"""The pytest plugin: ``pytest --zoo-plugin zoo-acme`` checks an installed plugin.

pytest imports this module in every run where zoo-kit is installed, so it holds the option alone.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--zoo-plugin``."""
    group = parser.getgroup("zoo", "Zoo: model plugins")
    group.addoption(
        "--zoo-plugin",
        action="append",
        default=[],
        metavar="DISTRIBUTION",
        help="check this installed plugin (zoo-acme); without a path, nothing else is collected; repeatable",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Add the checks where the option is used."""
    if config.getoption("--zoo-plugin"):
        from zoo_kit.conformance.pytest_items import Collection

        config.pluginmanager.register(Collection(), "zoo-conformance")
