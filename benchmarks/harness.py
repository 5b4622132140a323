"""The harness of the benchmarks: contestants take turns, one run each per round.

Ratios are taken within a round.

The machine's speed drifts; within a round it does not drift much. So the figure is the median over
rounds of the ratio, with the quartiles beside it. CPU time is the main figure, since it does not
count what else the machine does.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import gc
import importlib.metadata
import itertools
import json
import multiprocessing
import os
import platform
import re
import resource
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

PACKAGES = ("torch", "timm", "torchvision", "transformers", "openvino", "onnxruntime", "zoo-core")
"""Those whose versions a file of results has, where they are installed."""
REST_S = 0.05
"""Between two turns, since a contestant's threads look for work a while before they sleep."""


@dataclass
class Report:
    """Rows of a benchmark, printed and, where a file is given, written as they come."""

    file: Path | None = None
    command: str = ""
    rows: list[dict[str, object]] = field(default_factory=list)

    def add(
        self, what: str, values: dict[str, list[float]], *, over: str, target: float | None = None, unit: str = "s"
    ) -> float:
        """Print how many times less the first contestant takes than `over`; return that ratio.

        `values` has what each took in each round: seconds, or bytes where `unit` is ``"B"``.
        """
        first = next(iter(values))
        ratio = spread([theirs / mine for theirs, mine in zip(values[over], values[first], strict=True)])
        each = {name: spread(values[name]) for name in (first, over)}
        verdict = (
            "" if target is None else f"   target {target:.3g}: {'met' if ratio['median'] >= target else 'MISSED'}"
        )
        shown = "   ".join(f"{name} {amount(value['median'], unit):>10s}" for name, value in each.items())
        among = f"({ratio['low']:.2f} to {ratio['high']:.2f})"
        self.note(f"{what:44s} {shown}   ratio {ratio['median']:6.2f}  {among}{verdict}")
        row = {"what": what, "unit": unit, "values": each, "ratio": ratio, "rounds": len(values[first])}
        self.rows.append({**row, "target": target})
        self.write()
        return ratio["median"]

    def note(self, line: str) -> None:
        """Print a line."""
        print(line, flush=True)

    def write(self) -> None:
        """Write the rows so far to the file, if one is given: a run of an hour may not end well."""
        if self.file is not None:
            about = {"date": datetime.datetime.now(datetime.UTC).date().isoformat(), "command": self.command}
            result = {**about, "machine": machine(), "versions": versions(), "rows": self.rows}
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def begin(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, Report]:
    """Add ``--json``, and return the arguments and a report for them."""
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the rows to this file")
    args = parser.parse_args()
    command = shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    return args, Report(args.json, re.sub(r" --json[ =]\S+", "", command))


def machine() -> dict[str, str | int]:
    """The processor, the cores that this process may use, and the system; no host, no path."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
        model = found[1].strip() if found else model
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        system = platform.system()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": model, "cores": cores or 1, "system": system}


def versions() -> dict[str, str]:
    """Of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def amount(value: float, unit: str) -> str:
    """Seconds or bytes in a unit that suits them."""
    units = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)) if unit == "s" else (("MB", 1e6), ("kB", 1e3), ("B", 1.0))
    name, size = next((pair for pair in units if value >= pair[1]), units[-1])
    return f"{value / size:.3g} {name}" if value < 1000 * size else f"{value / size:.0f} {name}"


def spread(values: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, _, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return {"median": statistics.median(values), "low": low, "high": high}


def children() -> float:
    """CPU seconds, user and system, of all processes that this one has started and awaited."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def interleave(
    contestants: dict[str, Callable[[], object]],
    rounds: int,
    *,
    warm_up: int = 2,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, list[float]]:
    """Seconds of every contestant in every round; who begins changes from round to round."""
    for _ in range(warm_up):
        for run in contestants.values():
            run()
    return _turns({name: partial(_seconds_of, run, clock) for name, run in contestants.items()}, rounds)


def interleave_apart(
    contestants: dict[str, Callable[[], Callable[[], object]]],
    rounds: int,
    *,
    processes: Mapping[str, int],
    untimed: int = 1,
    warm_up: int = 2,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, list[float]]:
    """Like `interleave`, with each contestant in a process of its own, where it is made.

    In one process, what a contestant frees can spare the next one the system's clearing of memory,
    which it has to wait for where it runs alone. How much that is differs from process to process;
    a contestant of several `processes` runs in one after the other. A turn begins with `untimed`
    runs, since the processor's caches have the other contestants' weights.
    """
    context = multiprocessing.get_context("spawn")
    turns: dict[str, Callable[[], float]] = {}
    with contextlib.ExitStack() as ends:
        for name, make in contestants.items():
            connections = []
            for _ in range(processes.get(name, 1)):
                here, there = context.Pipe()
                process = context.Process(
                    target=_take_turns, args=(make, (warm_up, untimed), clock, there), daemon=True
                )
                process.start()
                there.close()
                ends.callback(process.join)
                ends.callback(here.close)
                here.recv()  # when it is made: nobody computes while another one is made
                connections.append(here)
            turns[name] = partial(_turn, itertools.cycle(connections))
        return _turns(turns, rounds)


def _turns(contestants: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants)
    for _ in range(rounds):
        for name in order:
            times[name].append(contestants[name]())
        order.append(order.pop(0))
    return times


def _seconds_of(run: Callable[[], object], clock: Callable[[], float]) -> float:
    gc.collect()
    since = clock()
    result = run()
    seconds = clock() - since
    del result  # after the time is taken
    return seconds


def _turn(processes: Iterator[Connection]) -> float:
    process = next(processes)
    process.send(None)
    seconds: float = process.recv()
    time.sleep(REST_S)
    return seconds


def _take_turns(
    make: Callable[[], Callable[[], object]], before: tuple[int, int], clock: Callable[[], float], turns: Connection
) -> None:
    """Make a contestant, and run it whenever it is its turn.

    `before` has the numbers of untimed runs: at first, and in each turn.
    """
    run = make()
    warm_up, untimed = before
    for _ in range(warm_up):
        run()
    turns.send(None)
    with contextlib.suppress(EOFError):  # the end of the benchmark
        while True:
            turns.recv()
            for _ in range(untimed):
                run()
            turns.send(_seconds_of(run, clock))
