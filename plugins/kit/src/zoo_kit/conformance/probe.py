"""A fresh process for the checks of `checks.process`. Its last line of output is one JSON object.

Usage: ``python -m zoo_kit.conformance.probe listing|imports|building DISTRIBUTION [ARCHITECTURE
    ...]``.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_START = set(sys.modules)


def listing(distribution: str) -> dict[str, Any]:
    """List the models and one config. Returns the names, and the packages imported meanwhile."""
    from zoo_core.registry import get_pretrained_cfg, plugins

    mine = [plugin for plugin in plugins() if plugin.distribution == distribution and plugin.manifest]
    names = [name for plugin in mine if plugin.manifest for name in plugin.manifest.names]
    for name in names[:1]:
        get_pretrained_cfg(f"{distribution}/{name}")
    return {"loaded": _top_level(), "listed": names}


def imports(distribution: str) -> dict[str, Any]:
    """Import the plugin's modules. Returns those that import torch, and the state they change."""
    from importlib import import_module

    from zoo_core.registry import current_index

    index = current_index()
    entries = [plugin.entry_point for plugin in index.plugins] + index.hooks
    modules = dict.fromkeys(entry.module for entry in entries if entry.distribution == distribution)
    before = _state(with_torch=False)
    heavy = []
    for module in modules:
        was = "torch" in sys.modules
        import_module(module)
        if not was and "torch" in sys.modules:
            heavy.append(module)
    return {"heavy": heavy, "changed": _changes(before, _state(with_torch=False))}


def building(distribution: str, *names: str) -> dict[str, Any]:
    """Import, build and run models. Returns the state that this changes."""
    import torch
    import zoo_core.building.build
    import zoo_core.create
    import zoo_core.layers

    from zoo_kit.conformance.subject import Subject

    subject = Subject(distribution)
    for device in ("meta", "cpu"):  # the first use sets up state of torch, which is not the plugin's doing
        with torch.device(device), torch.no_grad():
            torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))(torch.zeros(1, 3, 8, 8))
    for name in names:
        before = {**_state(with_torch=True), **_tables(subject)}
        images = subject.images(name)  # which imports the network, and builds one to learn its sizes
        before["torch's random state"] = torch.get_rng_state().sum().item()
        net = subject.constructor(name)(device="meta")
        if changes := _changes(before, {**_state(with_torch=True), **_tables(subject)}):
            return {"model": f"{name} on the meta device", "changed": changes}
        states = []
        for seed in (0, 1):
            torch.manual_seed(seed)
            net = zoo_core.create.create_model(f"{distribution}/{name}").eval()
            states.append(drawn := torch.get_rng_state())
        if torch.equal(*states):
            return {"model": name, "changed": ["torch's random state"]}
        with torch.no_grad():
            net(images)
        after = {**_state(with_torch=True), **_tables(subject)}
        changes = _changes({**before, "torch's random state": drawn.sum().item()}, after)
        if changes:
            return {"model": name, "changed": changes}
    return {"model": "", "changed": []}


def _tables(subject: Any) -> dict[str, Any]:
    """Return the plugin's tables as text."""
    families = [plugin.entry_point.module for plugin in subject.plugins if plugin.entry_point.module in sys.modules]
    family_tables = {}
    for module in families:
        family = getattr(sys.modules[module], "FAMILY", None)
        for table in ("architectures", "pretrained", "aliases"):
            if family is not None:
                family_tables[f"its table {module} {table}"] = repr(getattr(family, table))
    return family_tables


def _state(*, with_torch: bool) -> dict[str, Any]:
    """Return the state that all code of a process shares, by the name to report it under."""
    import gc
    import locale
    import logging
    import os
    import random
    import signal
    import warnings

    state: dict[str, Any] = {
        "the working directory": os.getcwd(),  # noqa: PTH109 - compared as it is
        "os.environ": dict(os.environ),
        "sys.path": list(sys.path),
        "the recursion limit": sys.getrecursionlimit(),
        "the locale": locale.setlocale(locale.LC_ALL),
        "random's state": random.getstate(),
        "the warnings filters": list(warnings.filters),
        "the root logger": (logging.root.level, len(logging.root.handlers)),
        "the handler of SIGINT": signal.getsignal(signal.SIGINT),
        "the garbage collector": gc.isenabled(),
        "sys.excepthook": sys.excepthook,
    }
    if with_torch:
        import torch

        if numpy := sys.modules.get("numpy"):
            state["numpy's random state"] = repr(numpy.random.get_state(legacy=False))
        state |= {
            "torch's default dtype": torch.get_default_dtype(),
            "torch's default device": torch.get_default_device(),
            "torch's random state": torch.get_rng_state().sum().item(),
            "torch's number of threads": torch.get_num_threads(),
            "torch's grad mode": torch.is_grad_enabled(),
            "torch's deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
            "torch's matmul precision": torch.get_float32_matmul_precision(),
            "torch.backends.cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
            "torch's anomaly mode": torch.is_anomaly_enabled(),
            "torch.nn.Module.__call__": torch.nn.Module.__call__,
            "torch's printing": repr(torch._tensor_str.PRINT_OPTS),
        }
    return state


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [name for name in before if name in after and before[name] != after[name]]


def _top_level() -> list[str]:
    return sorted({name.partition(".")[0] for name in {*sys.modules, *_START}})


def main(what: str, *arguments: str) -> None:
    """Run one probe, and print its result after its own output."""
    probes: dict[str, Callable[..., dict[str, Any]]] = {"listing": listing, "imports": imports, "building": building}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        found = probes[what](*arguments)
    text = json.dumps({**found, "printed": printed.getvalue().splitlines()})
    print(text)  # noqa: T201 - its result


if __name__ == "__main__":
    main(*sys.argv[1:])
