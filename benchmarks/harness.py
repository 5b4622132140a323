"""The harness of the benchmarks: contestants take turns, one run each per round.

Ratios are taken within a round.

The machine's speed drifts; within a round it does not drift much. So the figure is the median over
rounds of the ratio, with the quartiles beside it. CPU time is the main figure, since it does not
count what else the machine does.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Report:
    """Rows of a benchmark, printed as they come and again as JSON where a program asks."""

    as_json: bool = False
    rows: list[dict[str, object]] = field(default_factory=list)

    def add(self, what: str, times: dict[str, list[float]], *, over: str, target: float | None = None) -> float:
        """Print how many times faster each contestant is than `over`; return the first ratio."""
        first = next(iter(times))
        ratios = sorted(a / b for a, b in zip(times[over], times[first], strict=True))
        ratio, low, high = statistics.median(ratios), *quartiles(ratios)
        mine, theirs = (statistics.median(times[name]) * 1e3 for name in (first, over))
        verdict = "" if target is None else f"   target {target:g}: {'met' if ratio >= target else 'MISSED'}"
        row = f"{what:44s} {first} {mine:9.2f} ms   {over} {theirs:9.2f} ms"
        self.note(f"{row}   ratio {ratio:6.2f}  ({low:.2f} to {high:.2f}){verdict}")
        self.rows.append(
            {"what": what, first: mine, over: theirs, "ratio": ratio, "low": low, "high": high, "target": target}
        )
        return ratio

    def note(self, line: str) -> None:
        """Print a line, to stderr where the result is JSON."""
        print(line, file=sys.stderr if self.as_json else sys.stdout, flush=True)

    def close(self) -> None:
        """Print the JSON, if that was asked for."""
        if self.as_json:
            print(json.dumps(self.rows, indent=1))


def quartiles(values: list[float]) -> tuple[float, float]:
    """Lower and upper quartile."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4)
    return low, high


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
    times: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants)
    for _ in range(rounds):
        for name in order:
            gc.collect()
            begin = clock()
            result = contestants[name]()
            times[name].append(clock() - begin)
            del result
        order.append(order.pop(0))
    return times
