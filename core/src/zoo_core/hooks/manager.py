"""The pluggy manager of the process, with every installed hook plugin in it that works."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Any

import pluggy

from zoo_core.discovery.imports import import_object
from zoo_core.errors import PluginError, ZooError, did_you_mean
from zoo_core.hooks import PROJECT, specs
from zoo_core.registry import current_index

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.discovery.entry_points import EntryPoint
    from zoo_core.discovery.index import Index


class HookPluginWarning(RuntimeWarning):
    """A hook plugin does not work, and is left out."""


_lock = threading.Lock()
_here = threading.local()
_manager: pluggy.PluginManager | None = None
_asked: Index | None = None
_problems: dict[str, str] = {}


def hook_manager() -> pluggy.PluginManager:
    """The process's manager. Imports the hook plugins the first time, and new ones after `zoo_core.refresh`.

    Each is registered by itself: one that fails is reported with a `HookPluginWarning` and left out. To take part
    without being installed, ``hook_manager().register(module)``.
    """
    global _manager, _asked
    with _lock:
        manager = _manager = _manager or _new_manager()
    index = current_index()
    # A hook plugin may create a model while it is imported; importing it again for that would never end.
    if _asked is index or getattr(_here, "importing", False):
        return manager
    _here.importing = True
    try:
        # Outside the lock: a thread that waits for one of these modules may hold up another that waits for the lock.
        loaded = [(entry, _import(entry)) for entry in index.hooks if not manager.has_plugin(plugin_name(entry))]
    finally:
        _here.importing = False
    with _lock:
        if _asked is not index:
            for entry, plugin in loaded:
                if problem := plugin if isinstance(plugin, str) else _register(manager, entry, plugin):
                    _report(entry, problem)
            _asked = index
    return manager


def hook_problems() -> dict[str, str]:
    """Name of each hook plugin that was left out, to the reason. Imports the hook plugins."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HookPluginWarning)
        hook_manager()
    return dict(_problems)


def call_each(hook_name: str) -> list[tuple[str, Any]]:
    """Name of each plugin that implements a hook without arguments, and what it returns, or the error that names it.

    One that fails does not keep the others from answering, as it would in a call of the hook.
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
    """The module or object that an entry point names; or, as a str, why it cannot be had."""
    try:
        return import_object(entry.value.partition("[")[0], entry.distribution)
    except PluginError as error:
        return str(error)


def _register(manager: pluggy.PluginManager, entry: EntryPoint, plugin: object) -> str:
    """Register one plugin. Returns what is wrong with it, having taken it out again; or nothing."""
    name = plugin_name(entry)
    if manager.has_plugin(name):
        return ""
    try:
        if manager.register(plugin, name=name) is None:
            return "it is blocked"
        hooks = manager.get_hookcallers(plugin) or []
        problem = next((_no_such_hook(hook.name) for hook in hooks if not hook.has_spec()), "")
        if not hooks:
            problem = "it implements no hook: mark its functions with zoo_core.hooks.hookimpl"
    except Exception as error:  # pluggy runs the plugin's descriptors and checks its signatures
        problem = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if problem and manager.has_plugin(name):
        manager.unregister(name=name)
    return problem


def _no_such_hook(name: str) -> str:
    known = [hook for hook in vars(specs) if hook.startswith("zoo_")]
    return f"it implements {name!r}, and there is no such hook{did_you_mean(name, known)}"


def _report(entry: EntryPoint, problem: str) -> None:
    _problems[plugin_name(entry)] = problem
    warnings.warn(f"hook plugin {entry} is left out: {problem}", HookPluginWarning, stacklevel=4)


def _name_the_culprit(
    outcome: pluggy.Result[Any], hook_name: str, impls: Sequence[pluggy.HookImpl], _: Mapping[str, object]
) -> None:
    """Say whose implementation raised or exited. An error that it raised on purpose stays as it is."""
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
    what = f"it called exit({error.code!r})" if isinstance(error, SystemExit) else f"{type(error).__name__}: {error}"
    blamed = PluginError(f"hook plugin {', '.join(culprits)} failed in {hook_name}: {what}")
    blamed.__cause__ = error
    return blamed
