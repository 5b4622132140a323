"""Paired measurements: contestants take turns, and ratios are taken within a turn.

A machine's speed drifts, but little within one turn. The figure is the median over the turns, with
the quartiles beside it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

PAUSE = 0.02
"""Seconds before each run that a wall clock times.

Engines let idle threads spin for a while, so that the next run begins at once; but the next run is
another contestant's, and it would have to share its cores with them.
"""
SHORT = 0.2
"""Seconds of a run below which its turn has two runs, and the second counts.

After another contestant's turn the processor's caches have nothing of this one, which takes an
eighth longer then. Who runs it again and again does not see that.
"""


@dataclass(frozen=True)
class Interval:
    """A median and the quartiles beside it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Interval:
        """Return the median and the quartiles of some values."""
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(middle, low, high)


def clock_for(device: str) -> Callable[[], float]:
    """Return the clock for a device.

    On a CPU with one thread it is the process's time, which does not count what others do.
    """
    if device == "cuda":

        def after_all_kernels() -> float:
            torch.cuda.synchronize()
            return time.perf_counter()

        return after_all_kernels
    return time.process_time if torch.get_num_threads() == 1 else time.perf_counter


def take_turns(
    contestants: Mapping[str, Callable[[], Any]],
    *,
    clock: Callable[[], float],
    least: int = 3,
    most: int = 15,
    seconds: float = 5.0,
    warm_up: int = 1,
) -> dict[str, list[float]]:
    """Return the seconds of every contestant in every turn.

    Args:
        contestants: functions to run, by name; who begins changes from turn to turn.
        clock: see `clock_for`.
        least: turns to take in any case.
        most: turns to take at most.
        seconds: after which no turn begins, once there are `least`.
        warm_up: runs of each before the first turn.
    """
    for run in contestants.values():
        for _ in range(warm_up):
            run()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants)
    end = time.perf_counter() + seconds
    for turn in range(most):
        if turn >= least and time.perf_counter() > end:
            break
        for name in order:
            if clock is not time.process_time:
                time.sleep(PAUSE)
            taken = _seconds_of(contestants[name], clock)
            times[name].append(taken if taken >= SHORT else _seconds_of(contestants[name], clock))
        order.append(order.pop(0))
    return times


def _seconds_of(run: Callable[[], Any], clock: Callable[[], float]) -> float:
    begin = clock()
    result = run()
    seconds = clock() - begin
    del result  # after the time is taken
    return seconds


def ratios(times: Mapping[str, list[float]], name: str, over: str) -> Interval:
    """Return how many times faster `name` is than `over`."""
    return Interval.of([theirs / mine for mine, theirs in zip(times[name], times[over], strict=True)])
