"""Checks in a fresh process: the side effects of listing, importing and building."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from zoo_core.errors import PluginError

from zoo_kit.conformance.check import check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_kit.conformance.subject import Subject


@check(
    "listing",
    reason="`zoo list` runs in milliseconds, and with broken plugins, because it runs nobody's code",
    remedy="declare `name = package:models.json`, ship no .pth file, and import nothing of yours from elsewhere",
    needs=("installation",),
)
def listing(subject: Subject) -> Iterable[str]:
    """Listing names, tags and configs imports neither plugin nor torch, and finds the models."""
    seen = _probe("listing", subject)
    if loaded := [name for name in seen["loaded"] if name in ("torch", *subject.packages)]:
        yield f"a process that lists the models has imported {' and '.join(loaded)}"
    offered = {name for plugin in subject.plugins if plugin.manifest for name in plugin.manifest.names}
    if lacking := sorted(offered - set(seen["listed"])):
        yield f"a fresh process does not list {', '.join(lacking[:5])}"


@check(
    "imports",
    reason="reading tables, options and commands must not wait for torch",
    remedy="name the network's class as 'module:Class' in Family, and import torch in the model's module alone",
    needs=("installation",),
)
def imports(subject: Subject) -> Iterable[str]:
    """Importing the package and its hook modules imports no torch, and changes no shared state."""
    seen = _probe("imports", subject)
    yield from (f"importing {module} imports torch" for module in seen["heavy"])
    yield from (f"importing it changes {what}" for what in seen["changed"])
    yield from (f"importing it prints {text!r}" for text in seen["printed"][:1])


@check(
    "global-state",
    reason="a model must not change what other code in the process does",
    remedy="pass generators, dtypes and devices as arguments; leave settings of torch, Python and the process alone",
    needs=("constructors",),
)
def global_state(subject: Subject) -> Iterable[str]:
    """Building and running a model leaves the process and the plugin's tables as they were."""
    seen = _probe("building", subject, *subject.smallest)
    yield from (f"building or running {seen['model']} changes {what}" for what in seen["changed"])
    yield from (f"building or running {seen['model']} prints {text!r}" for text in seen["printed"][:1])


def _probe(*arguments: Any) -> dict[str, Any]:
    what, subject, *names = arguments
    # The path of this process, which its caller may have extended: the plugin was found on it.
    path = os.pathsep.join(entry for entry in sys.path if entry)
    command = [sys.executable, "-W", "ignore", "-m", "zoo_kit.conformance.probe", what, subject.distribution, *names]
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    if done.returncode or not done.stdout:
        last = (done.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
        raise PluginError(f"a fresh process for {what} ended with exit code {done.returncode}: {last}")
    return dict(json.loads(done.stdout.splitlines()[-1]))
