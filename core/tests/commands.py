"""Runs of ``python -m zoo_core.cli`` in processes that need not import torch again.

Each run is a process of its own, with its own environment, folder and outputs. It is forked from a
server that has imported torch and core's command, but no plugin. Tests of what a command imports,
or of a closed output, start Python themselves.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import warnings
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.context import ForkServerContext

MINUTES = 5 * 60
PRELOADED = ["torch", "zoo_core.cli.main"]


@cache
def server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def run_command(
    *argv: str | bytes, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command with some arguments, to its end. Outputs are UTF-8."""
    words = [os.fsdecode(word) for word in argv]
    with ExitStack() as stack:
        outputs = [Path(stack.enter_context(tempfile.NamedTemporaryFile()).name) for _ in range(2)]
        process = server().Process(target=become, args=(words, cwd or Path.cwd(), dict(env or os.environ), outputs))
        process.start()
        process.join(MINUTES)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(words, MINUTES)
        out, err = (path.read_text(encoding="utf-8") for path in outputs)
        return subprocess.CompletedProcess(words, process.exitcode, out, err)


def become(argv: list[str], cwd: Path, environment: dict[str, str], outputs: list[Path]) -> None:
    """Turn this process into the command's."""
    take_on(cwd, environment, outputs)
    sys.argv[1:] = argv
    runpy.run_module("zoo_core.cli", run_name="__main__", alter_sys=True)


def take_on(cwd: Path, environment: dict[str, str], outputs: list[Path]) -> None:
    """Give this process a folder, an environment, and files for standard output and error."""
    multiprocessing.set_start_method(None, force=True)  # that of a process which was not forked
    for stream, path in zip((sys.stdout, sys.stderr), outputs, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), stream.fileno())
        stream.reconfigure(encoding="utf-8", errors="backslashreplace" if stream is sys.stderr else "strict")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    if chosen := environment.get("PYTHONWARNINGS"):
        warnings.simplefilter(chosen)  # type: ignore[arg-type] # "error" or "default"
