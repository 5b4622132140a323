"""The conformance kit: checks of what a plugin promises. `docs/writing-a-plugin.md` shows its use.

The same checks run in three ways: ``zoo check zoo-acme``; ``pytest --zoo-plugin zoo-acme``, which
needs no test file; and a test class of the plugin that derives from `PluginConformance`.

`subject` is the plugin under test, `check` says what a check is, `checks` has them by subject,
`run` runs them; `exemptions` and `requirements` read the plugin's files, `probe` is a fresh process
for `checks.process`. `wheel` checks a wheel in an `environment` of its own. `pytest_plugin` adds
the option to pytest, `pytest_items` its tests, `conformance` the class; `program_conformance` tests
the programs made of more networks.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zoo_kit.conformance.check import Check as Check
    from zoo_kit.conformance.check import Result as Result
    from zoo_kit.conformance.conformance import PluginConformance as PluginConformance
    from zoo_kit.conformance.environment import Environment as Environment
    from zoo_kit.conformance.program_conformance import ProgramConformance as ProgramConformance
    from zoo_kit.conformance.run import run_checks as run_checks
    from zoo_kit.conformance.wheel import check_wheel as check_wheel

_EXPORTS = {
    "PluginConformance": "conformance",
    "ProgramConformance": "program_conformance",
    "run_checks": "run",
    "Check": "check",
    "Result": "check",
    "check_wheel": "wheel",
    "Environment": "environment",
}
__all__ = list(_EXPORTS)


def __getattr__(name: str) -> object:
    """Import a public name when it is used, as every run of pytest imports this package."""
    if (module := _EXPORTS.get(name)) is None:
        raise AttributeError(f"module 'zoo_kit.conformance' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"zoo_kit.conformance.{module}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
