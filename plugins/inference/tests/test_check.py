"""What counts as the same output."""

from __future__ import annotations

import math
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from zoo_inference.check import largest_error, probes, variation
from zoo_inference.measure import Interval, ratios, take_turns


@given(st.floats(1e-3, 1e3), st.floats(0, 1), st.integers(0, 5))
def test_an_error_is_relative_to_the_largest_value(scale: float, error: float, index: int) -> None:
    expected = torch.linspace(-1, 1, 6, dtype=torch.float64) * scale
    output = expected.clone()
    output[index] += error * scale
    assert largest_error([output], [expected]) == pytest.approx(error, abs=1e-12)


@pytest.mark.parametrize(
    "output",
    [
        torch.ones(2, 3),
        torch.ones(3, dtype=torch.float64),
        torch.tensor([1.0, 1.0, math.nan]),
        torch.tensor([1.0, 1.0, math.inf]),
        [torch.ones(3)],
        torch.ones(3, 2)[:, 0],
        3.0,
    ],
    ids=["shape", "dtype", "nan", "inf", "structure", "layout", "number"],
)
def test_another_kind_of_output_is_no_small_error(output: object) -> None:
    assert largest_error(output, torch.ones(3)) == math.inf


def test_values_that_are_not_finite_may_agree() -> None:
    output = torch.tensor([1.0, math.inf, math.nan])
    assert largest_error(output + torch.tensor([0.5, 0, 0]), output) == 0.5
    assert largest_error(torch.tensor([1.0, -math.inf, math.nan]), output) == math.inf
    assert largest_error(torch.full((3,), 1e-9), torch.zeros(3)) == math.inf


def test_probes_are_several_inputs_and_batch_sizes() -> None:
    inputs = probes(torch.randn(8, 3, 4, 5))
    assert {len(probe) for probe in inputs} == {1, 3, 8}
    assert {tuple(probe.shape[1:]) for probe in inputs} == {(3, 4, 5)}
    tokens = probes(torch.arange(6).reshape(2, 3))
    assert all(probe.dtype is torch.int64 and int(probe.max()) <= 5 for probe in tokens)


def test_a_variation_is_how_far_two_inputs_answers_lie_apart() -> None:
    inputs = probes(torch.randn(2, 3, 4, 5))
    assert variation(inputs, [torch.ones(len(probe), 7) for probe in inputs]) == 0.0
    outputs = [torch.full((len(probe), 7), float(len(probe))) for probe in inputs[:-1]]
    assert variation(inputs, [*outputs, torch.full((1, 7), 0.75)]) == pytest.approx(0.25)
    assert variation(inputs, [*outputs, torch.full((1, 7), math.nan)]) is None
    tokens = probes(torch.arange(6).reshape(2, 3))
    assert variation(tokens, [torch.ones(len(probe)) for probe in tokens]) is None, "they are one input"


def test_ratios_are_taken_within_a_turn() -> None:
    now = [0.0]
    speed = iter([1.0] * 2 + [1.0, 1.0, 10.0, 10.0, 3.0, 3.0])  # the machine's, turn by turn

    def run(cost: float) -> object:
        now[0] += cost * next(speed)
        return None

    times = take_turns(
        {"slow": lambda: run(2.0), "fast": lambda: run(1.0)}, clock=lambda: now[0], least=3, most=3, seconds=60
    )
    assert ratios(times, "fast", "slow") == Interval(2.0, 2.0, 2.0)


def test_a_short_run_is_timed_with_its_own_weights_in_the_caches() -> None:
    now, last = [0.0], [""]

    def run(name: str, cost: float) -> None:
        now[0] += cost if last[0] == name else 2 * cost
        last[0] = name

    contestants = {
        "a": lambda: run("a", 0.0625),
        "b": lambda: run("b", 0.03125),
        "long": lambda: run("long", 1.0),
        "as long": lambda: run("as long", 2.0),
    }
    times = take_turns(contestants, clock=lambda: now[0], least=5, most=5, seconds=60)
    assert times["a"] == [0.0625] * 5
    assert times["b"] == [0.03125] * 5
    assert statistics.median(times["long"]) == 2.0, "run once a turn, after another contestant"
