"""The process's pluggy manager, with every installed hook plugin that works."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Any

import pluggy

from zoo_core.discovery.imports import import_object
from zoo_core.errors import PluginError, ZooError, did_you_mean, said
from zoo_core.hooks import PROJECT, specs
from zoo_core.locks import fork_safe_lock
from zoo_core.registry import current_index

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.discovery.entry_points import EntryPoint
    from zoo_core.discovery.index import Index


class HookPluginWarning(RuntimeWarning):
    """A hook plugin that does not work, and is left out."""


_lock = fork_safe_lock()
_here = threading.local()
_manager: pluggy.PluginManager | None = None
_asked: Index | None = None
_problems: dict[str, str] = {}


def hook_manager() -> pluggy.PluginManager:
    """Return the process's manager. Imports hook plugins once, new ones after `zoo_core.refresh`.

    Each is registered by itself: one that fails is left out with a `HookPluginWarning`. A module
    that is not installed takes part with ``hook_manager().register(module)``.
    """
    global _manager, _asked
    with _lock:
        manager = _manager = _manager or _new_manager()
    index = current_index()
    # A hook plugin that creates a model while it is imported comes back here.
    if _asked is index or getattr(_here, "importing", False):
        return manager
    _here.importing = True
    try:
        # Outside our lock: another thread may hold the import lock of a module and wait for ours.
        loaded = [(entry, _import(entry)) for entry in index.hooks if not manager.has_plugin(plugin_name(entry))]
    finally:
        _here.importing = False
    with _lock:
        if _asked is not index:
            for entry, plugin in loaded:
                if problem := _register(manager, plugin_name(entry), plugin):
                    _problems[plugin_name(entry)] = problem
                    warnings.warn(f"hook plugin {entry} is left out: {problem}", HookPluginWarning, stacklevel=3)
            _asked = index
    return manager


def hook_problems() -> dict[str, str]:
    """The hook plugins that are left out, by name, with the reason. Imports the hook plugins."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HookPluginWarning)
        hook_manager()
    return dict(_problems)


def call_each(hook_name: str) -> list[tuple[str, Any]]:
    """Call a hook without arguments, plugin by plugin: an error does not end the call.

    Returns:
        (plugin's name, its answer or an error that names the plugin).
    """
    answers = []
    for impl in reversed(getattr(hook_manager().hook, hook_name).get_hookimpls()):
        try:
            answers.append((impl.plugin_name, impl.function()))
        except (Exception, SystemExit) as error:
            answers.append((impl.plugin_name, _blamed([impl.plugin_name], hook_name, error)))
    return answers


def plugin_name(entry: EntryPoint) -> str:
    """The name of an installed hook plugin in the manager."""
    return f"{entry.distribution}:{entry.name}"


def _new_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(specs)
    manager.add_hookcall_monitoring(lambda *_: None, _name_the_culprit)
    return manager


def _import(entry: EntryPoint) -> Any:
    """Import the object that an entry point names. Returns the error if that fails."""
    try:
        return import_object(entry.value.partition("[")[0], entry.distribution)
    except PluginError as error:
        return error


def _register(manager: pluggy.PluginManager, name: str, plugin: object) -> str:
    """Register one plugin. If it has a problem, take it out again and return the problem."""
    if isinstance(plugin, PluginError):
        return str(plugin)
    if manager.has_plugin(name):
        return ""
    try:
        if manager.register(plugin, name=name) is None:
            return "it is blocked"
        hooks = manager.get_hookcallers(plugin) or []
        problem = "" if hooks else "it implements no hook: mark its functions with zoo_core.hooks.hookimpl"
        for unknown in [hook.name for hook in hooks if not hook.has_spec()][:1]:
            hint = did_you_mean(unknown, [hook for hook in vars(specs) if hook.startswith("zoo_")])
            problem = f"it implements {unknown!r}, and there is no such hook{hint}"
    except Exception as error:  # pluggy runs the plugin's descriptors and checks its signatures
        problem = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if problem and manager.has_plugin(name):
        manager.unregister(name=name)
    return problem


def _name_the_culprit(
    outcome: pluggy.Result[Any], hook_name: str, impls: Sequence[pluggy.HookImpl], _: Mapping[str, object]
) -> None:
    """Name the plugin that raised or exited. An error of `zoo_core.errors` stays as it is."""
    error = outcome.exception
    if not isinstance(error, Exception | SystemExit) or isinstance(error, ZooError):
        return
    codes = set()
    trace = error.__traceback__
    while trace is not None:
        codes.add(trace.tb_frame.f_code)
        trace = trace.tb_next
    culprits = [impl.plugin_name for impl in impls if getattr(impl.function, "__code__", None) in codes]
    outcome.force_exception(_blamed(culprits, hook_name, error))


def _blamed(culprits: Sequence[str], hook_name: str, error: Exception | SystemExit) -> PluginError:
    what = f"it called exit({error.code!r})" if isinstance(error, SystemExit) else said(error)
    blamed = PluginError(f"hook plugin {', '.join(culprits)} failed in {hook_name}: {what}")
    blamed.__cause__ = error
    return blamed
