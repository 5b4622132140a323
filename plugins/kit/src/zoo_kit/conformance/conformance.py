"""The class from which a plugin's own tests derive."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, ClassVar

from zoo_kit.conformance.pytest_items import report
from zoo_kit.conformance.run import Run, checks
from zoo_kit.conformance.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from zoo_kit.conformance.check import Check


class PluginConformance:
    """Every check as a test of its own.

    Examples:
        >>> class TestConformance(PluginConformance):
        ...     plugin = "zoo-acme"
    """

    plugin: ClassVar[str]
    """The distribution to check; it must be installed."""
    also: ClassVar[tuple[str, ...]] = ()
    """Shell patterns of architectures to build and run, beside the sample of small ones."""
    exempt: ClassVar[Mapping[str, str]] = {}
    """Checks that the plugin need not pass, with the reason of each.

    Those in ``[tool.zoo.exempt]`` of its project count too.
    """

    @staticmethod
    def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
        """Make one test of each check."""
        if "zoo_check" in metafunc.fixturenames:
            metafunc.parametrize("zoo_check", checks(), ids=lambda check: check.name)

    def test_conforms(self, zoo_check: Check) -> None:
        """Run one check."""
        report(zoo_check, _run(self.plugin, self.also, tuple(self.exempt.items())))


@cache
def _run(distribution: str, also: tuple[str, ...], exempt: tuple[tuple[str, str], ...]) -> Run:
    return Run(Subject(distribution, also=also, exempt=dict(exempt)))
