"""`optimize`: the fastest way to run a model on this machine, found and proven."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from typing import Any

import torch
from torch import Tensor, nn
from zoo_core.cli.output import watched
from zoo_core.errors import OptionError

from zoo_inference.check import largest_error, probes, variation
from zoo_inference.engines.subject import Run, Subject
from zoo_inference.engines.table import AS_GIVEN, ENGINES, chosen_engines
from zoo_inference.graph.trace import first_line
from zoo_inference.machine import fingerprint
from zoo_inference.measure import clock_for, ratios, take_turns
from zoo_inference.optimized import Optimized
from zoo_inference.refused import Refused
from zoo_inference.report import Attempt, Report

FINALISTS = 3
"""Engines that are measured once more, side by side."""
_OF_FINAL = 0.25  # of the budget


def optimize(
    model: nn.Module,
    example_input: Tensor,
    *,
    tolerance: float = 1e-4,
    backends: str | Iterable[str] = "auto",
    budget_s: float = 60.0,
    progress: bool = False,
) -> Optimized:
    """Return the model with the fastest engine whose outputs are the model's, or as it is.

    Every engine is compared with the model on several inputs and batch sizes, and measured beside
    it, in turns. The model itself never changes, and its weights later on do not change the result.

    Examples:
        >>> import torch, zoo_core as zoo, zoo_inference
        >>> net = zoo.create_model("test_resnet.digits", pretrained=True).eval()
        >>> image = torch.randn(1, 3, 32, 32)
        >>> fast = zoo_inference.optimize(net, image, backends="torch", budget_s=10)
        >>> fast.report.ratio >= 1
        True

    Args:
        model: any module of one tensor, in eval mode; feature extractors too.
        example_input: a batch of the size, dtype and device that the model will see.
        tolerance: the largest difference of an output, over the largest value of its map.
        backends: "auto", "torch" for PyTorch alone, or names of
            `zoo_inference.engines.table.ENGINES`; "bfloat16" and "float16" only so.
        budget_s: seconds after which no further engine is tried.
        progress: show a bar on stderr, where that is a terminal.

    Raises:
        OptionError: for a model in training mode or with hooks, or an unknown backend.
    """
    begin = time.perf_counter()
    _check(model, example_input, tolerance, budget_s)
    example = example_input.detach().clone()
    names = chosen_engines(backends, example.device.type, budget_s)
    with torch.inference_mode(False), torch.no_grad():
        search = _Search(model, example, tolerance, begin + budget_s, apart=example.device.type == "cpu")
        engines = watched(names, "engines", shown=progress)
        chosen = search.find(engines, budget_s * _OF_FINAL)
    return search.optimized(chosen, time.perf_counter() - begin)


def with_engine(model: nn.Module, example_input: Tensor, engine: str, *, tolerance: float = 1e-4) -> Optimized:
    """Return the model with this engine, which is compared with the model, but not measured.

    For another process that must compute as one did which called `optimize`.

    Args:
        model: as for `optimize`.
        example_input: a batch of the size, dtype and device that the model will see.
        engine: a name of `zoo_inference.engines.table.ENGINES`, or "as given".
        tolerance: the largest difference of an output, over the largest value of its map.

    Raises:
        OptionError: for an engine that does not exist, refuses or computes something else.
    """
    begin = time.perf_counter()
    _check(model, example_input, tolerance, inf)
    with torch.inference_mode(False), torch.no_grad():
        search = _Search(model, example_input.detach().clone(), tolerance, inf)
        if engine != AS_GIVEN:
            (name,) = chosen_engines([engine], example_input.device.type, inf)
            try:
                search.built[name] = search.build(search.begin(name))
            except Refused as reason:
                raise OptionError(f"the engine {name!r} does not run the model here: {reason}") from reason
    return search.optimized(engine, time.perf_counter() - begin)


def _check(model: nn.Module, example: Tensor, tolerance: float, budget_s: float) -> None:
    if isinstance(model, Optimized):
        raise OptionError("the model is optimised already: optimize its `original`")
    if not isinstance(example, Tensor) or example.dim() < 1 or example.shape[0] < 1:
        raise OptionError("example_input is a tensor whose first axis is the batch: torch.randn(1, 3, 224, 224)")
    if any(module.training for module in model.modules()):
        raise OptionError("the model is in training mode: call model.eval() first")
    if not tolerance >= 0 or not budget_s > 0:
        raise OptionError(f"tolerance {tolerance}, budget_s {budget_s}: expected numbers from 0 and above 0")
    for name, module in model.named_modules():
        if module._forward_hooks or module._forward_pre_hooks:
            raise OptionError(f"module {name!r} has hooks, which an engine would not run: remove them first")


class _Search:
    """The engines of one model, tried one after the other; see `make` on building them `apart`."""

    def __init__(self, model: nn.Module, example: Tensor, tolerance: float, end: float, *, apart: bool = False) -> None:
        self.model, self.example, self.tolerance, self.end = model, example, tolerance, end
        self.apart = apart
        self.subject = Subject(model, example)
        self.inputs = probes(example)
        self.expected = [model(probe.clone()) for probe in self.inputs]
        self.clock = clock_for(example.device.type)
        self.attempts: list[Attempt] = []
        self.built: dict[str, Run] = {}

    def find(self, names: Iterable[str], final_s: float) -> str:
        """Try engines, one after the other, and return the name of the fastest, which is kept."""
        for name in names:
            self.try_engine(name)
        return self.settle(self.final(final_s))

    def try_engine(self, name: str) -> None:
        """Build, compare and measure one engine, and note what came of it."""
        attempt = self.begin(name)
        if time.perf_counter() >= self.end:
            attempt.reason = "no time was left"
            return
        try:
            self.measure(attempt, self.build(attempt))
        except Refused as reason:
            attempt.reason = str(reason)
        except Exception as error:  # of a library, while it is measured
            attempt.reason = first_line(error)

    def begin(self, name: str) -> Attempt:
        """Note that an engine is tried."""
        self.attempts.append(Attempt(name))
        return self.attempts[-1]

    def build(self, attempt: Attempt) -> Run:
        """Build an engine, and compare its outputs with the model's.

        Raises:
            Refused: with the reason why it does not run the model.
        """
        begin = time.perf_counter()
        try:
            run = self.make(attempt.name)
            attempt.build_s = time.perf_counter() - begin
            attempt.error = self.compare(run)
        except Refused:
            raise
        except Exception as error:  # of a library, on a network that it does not know
            raise Refused(first_line(error)) from error
        if not attempt.error <= self.tolerance:
            raise Refused(f"its outputs differ: {attempt.error:.1e} is more than {self.tolerance:g}")
        return run

    def make(self, name: str) -> Run:
        """Build an engine: here, or `apart` in a thread of its own, which has a heap of its own.

        What losing engines leave on a heap are holes, far from each other. With its maps in such
        holes, a network took 3 to 8 percent longer; the caller's heap has none of them. The thread
        ends before the engine runs: OpenMP gives each thread workers of its own, and where there
        are more of them than cores in all, they sleep between any two layers, so that a network
        took up to twice as long.
        """
        if not self.apart:
            return ENGINES[name].build(self.subject)

        def build() -> Run:
            torch.set_num_threads(threads)  # OpenMP has a number for each thread
            with torch.inference_mode(False), torch.no_grad():
                return ENGINES[name].build(self.subject)

        threads = torch.get_num_threads()
        with ThreadPoolExecutor(1, f"build {name}") as thread:
            return thread.submit(build).result()

    def optimized(self, chosen: str, seconds: float) -> Optimized:
        """Return the model with the engine of that name, and the report."""
        report = Report(
            chosen=chosen,
            shape=tuple(self.example.shape),
            dtype=str(self.example.dtype),
            device=self.example.device.type,
            tolerance=self.tolerance,
            seconds=seconds,
            machine=fingerprint(self.example.device.type),
            batches=tuple(sorted({int(probe.shape[0]) for probe in self.inputs})),
            variation=variation(self.inputs, self.expected),
            attempts=self.attempts,
        )
        return Optimized(self.model, self.built.get(chosen, self.model), report, self.subject)

    def compare(self, run: Run) -> float:
        """Return the largest error over all inputs."""
        worst = 0.0
        for probe, expected in zip(self.inputs, self.expected, strict=True):
            worst = max(worst, largest_error(run(probe.clone()), expected))
            if not worst <= self.tolerance:
                break
        return worst

    def measure(self, attempt: Attempt, run: Run) -> None:
        """Measure an engine beside the model, and keep it while it may win."""
        seconds = max(0.0, min(4.0, (self.end - time.perf_counter()) * (1 - _OF_FINAL) / 3))
        # Both have run when they were compared. A large batch may take seconds: one turn, then.
        self._note({attempt.name: run}, least=1, most=11, seconds=seconds, warm_up=0)
        if not attempt.ratio or attempt.ratio <= 1:
            raise Refused("it is not faster")
        self.built[attempt.name] = run
        for loser in self._ranking()[FINALISTS:]:
            del self.built[loser]

    def final(self, seconds: float) -> str:
        """Measure the best engines side by side; return the fastest, or the model as it is."""
        if not self.built:
            return AS_GIVEN
        self._note(self.built, least=4, most=21, seconds=seconds, warm_up=0)
        for name in self._ranking():
            # Faster in three of four turns, at least: what is faster by chance is not.
            if (self.attempt(name).low or 0) > 1:
                return name
            self.attempt(name).reason = "it is not faster for sure"
        return AS_GIVEN

    def settle(self, name: str) -> str:
        """Build a chosen engine with its own weights anew in the caller's thread; return its name.

        Only the caller's heap is moved to large pages. densenet121 took 5 percent less time then.
        """
        if name == AS_GIVEN or not (self.apart and ENGINES[name].own_weights):
            return name
        self.apart = False
        self.built.clear()
        try:
            self.built[name] = self.build(self.attempt(name))
        except Refused as reason:
            self.attempt(name).reason = f"built anew, {reason}"
            return AS_GIVEN
        return name

    def attempt(self, name: str) -> Attempt:
        """Return the attempt of an engine."""
        return next(attempt for attempt in self.attempts if attempt.name == name)

    def _ranking(self) -> list[str]:
        return sorted(self.built, key=lambda name: self.attempt(name).ratio or 0, reverse=True)

    def _note(self, engines: dict[str, Run], **turns: Any) -> None:
        """Measure engines beside the model, and note the figures."""
        contestants: dict[str, Callable[[], Any]] = {
            name: lambda run=run: run(self.example)  # type: ignore[misc] # mypy knows no default of a lambda
            for name, run in {AS_GIVEN: self.model, **engines}.items()
        }
        times = take_turns(contestants, clock=self.clock, **turns)
        for name in engines:
            attempt, interval = self.attempt(name), ratios(times, name, AS_GIVEN)
            attempt.ratio, attempt.low, attempt.high = interval.median, interval.low, interval.high
            attempt.milliseconds = sorted(times[name])[len(times[name]) // 2] * 1e3
