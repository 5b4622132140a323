"""Importing a plugin's code, and errors that name the plugin if that fails."""

from __future__ import annotations

from zoo_core.errors import PluginError, said

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def import_object(target: str, distribution: str, plugin: str = "") -> Any:
    """Import a module and return the object that ``module:attribute`` names, or the module itself.

    Args:
        target: ``module`` or ``module:attribute``.
        distribution: the distribution to reinstall if a part of it is missing.
        plugin: the subject of the error; empty for the reason alone.

    Raises:
        PluginError: if the code fails or exits, or lacks the attribute. Its cause is that error.
    """
    from importlib import import_module

    module, _, attribute = target.partition(":")
    try:
        found: Any = import_module(module.strip())
        for part in filter(None, attribute.strip().split(".")):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:
        problem = f"importing {target} failed: {said(error)}"
        if isinstance(error, SystemExit):
            problem = f"importing {module} called exit({error.code!r})"
        elif isinstance(error, ModuleNotFoundError) and error.name:
            # Its own module, or a dependency?
            problem = f"it needs the module {error.name!r}, which is not installed"
            if error.name.partition(".")[0] == module.partition(".")[0]:
                problem = (
                    f"its own module {error.name!r} is missing, the installation is incomplete: "
                    f"pip install --force-reinstall {distribution}"
                )
        raise PluginError(f"{plugin} is broken: {problem}" if plugin else problem) from error
    return found
