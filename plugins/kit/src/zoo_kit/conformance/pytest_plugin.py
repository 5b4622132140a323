"""The pytest plugin: ``pytest --zoo-plugin zoo-acme`` checks an installed plugin, with no test file.

pytest imports this in every run wherever zoo-core is installed, so that it holds the option and nothing else.
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
    """Take part only where the option is used."""
    if config.getoption("--zoo-plugin"):
        from zoo_kit.conformance.pytest_items import Collection

        config.pluginmanager.register(Collection(), "zoo-conformance")
