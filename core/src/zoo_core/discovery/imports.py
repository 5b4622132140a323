"""The one place that runs a plugin's code by importing it, and says whose code it was when it fails."""

from __future__ import annotations

from zoo_core.errors import PluginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def import_object(target: str, distribution: str, plugin: str = "") -> Any:
    """Import a module, and get what ``module:attribute`` names in it, or the module where it names no attribute.

    Args:
        target: ``module`` or ``module:attribute``.
        distribution: what to install again when a part of it is missing.
        plugin: what the error says is broken; empty for the reason alone.

    Raises:
        PluginError: when the code fails or exits, or lacks the attribute. Its cause is the error itself.
    """
    from importlib import import_module

    module, _, attribute = target.partition(":")
    try:
        found: Any = import_module(module.strip())
        for part in filter(None, attribute.strip().split(".")):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:
        problem = _problem(distribution, target, error)
        raise PluginError(f"{plugin} is broken: {problem}" if plugin else problem) from error
    return found


def _problem(distribution: str, target: str, error: BaseException) -> str:
    """Why an import failed, telling a plugin's own missing module from a missing dependency."""
    module = target.partition(":")[0]
    if isinstance(error, ModuleNotFoundError) and error.name:
        if error.name.partition(".")[0] == module.partition(".")[0]:
            return (
                f"its own module {error.name!r} is missing, the installation is incomplete: "
                f"pip install --force-reinstall {distribution}"
            )
        return f"it needs the module {error.name!r}, which is not installed"
    if isinstance(error, SystemExit):
        return f"importing {module} called exit({error.code!r})"
    return f"importing {target} failed: {type(error).__name__}: {error}"
