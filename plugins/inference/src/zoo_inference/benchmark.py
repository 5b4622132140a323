"""How fast models are: latency, throughput and memory, beside a peer or an optimised self."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import zoo_core
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from zoo_core.cli.output import watched
from zoo_core.errors import OptionError, ZooError

from zoo_inference.cost import cost_of, peak_bytes
from zoo_inference.examples import example_of
from zoo_inference.measure import Interval, clock_for, ratios, take_turns
from zoo_inference.search import optimize as search

ZOO, OPTIMIZED, TIMM = "zoo", "optimized", "timm"
PEERS = (TIMM,)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One model, one way to run it, one shape of input.

    Attributes:
        model: its name.
        contestant: "zoo", "optimized" or the peer.
        mode: "inference" or "training": a forward, or forward and backward.
        batch: images at once.
        size: height and width in pixels.
        milliseconds: of one run: median and quartiles.
        images_per_second: by the median.
        peak_bytes: of PyTorch's memory, beyond the model's own; None where it cannot be seen.
        over: the contestant that `ratio` compares with.
        ratio: how many times faster: median and quartiles of the turns; None without `over`.
        engine: of an optimised model.
        parameters: of the network.
        multiply_adds: for one image.
        activations: for one image.
    """

    model: str
    contestant: str
    mode: str
    batch: int
    size: tuple[int, int]
    milliseconds: Interval
    images_per_second: float
    peak_bytes: int | None
    over: str | None
    ratio: Interval | None
    engine: str | None
    parameters: int
    multiply_adds: int
    activations: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return dataclasses.asdict(self)


def bench(
    name: str,
    *,
    batches: Sequence[int] = (1,),
    sizes: Sequence[tuple[int, int]] = (),
    training: bool = False,
    compare: str | None = None,
    optimize: bool | str | Iterable[str] = False,
    budget_s: float = 60.0,
    device: str = "cpu",
    seconds: float = 5.0,
    progress: bool = False,
) -> list[Measurement]:
    """Measure a model, in turns with its peer and its optimised self.

    Args:
        name: the model; its weights are random, since they do not change the speed.
        batches: batch sizes.
        sizes: of the images, (height, width) in pixels; by default the default config's.
        training: measure a forward and backward pass too.
        compare: "timm", whose network of that name takes part.
        optimize: let the optimised model take part: True, or backends as for `optimize`.
        budget_s: of the search for each batch and size.
        device: where the networks run.
        seconds: for each comparison, about.
        progress: show a bar on stderr, where that is a terminal.

    Raises:
        OptionError: for an unknown peer.
        ZooError: where the peer is not installed, or has no such model.
    """
    model = zoo_core.create_model(name, device=device).eval()
    peer = None if compare is None else peer_of(compare, name).to(device).eval()
    found: list[Measurement] = []
    inputs = [(size, batch) for size in sizes or [example_size(model)] for batch in batches]
    for size, batch in watched(inputs, name, shown=progress):
        example = example_of(model, batch, size)
        nets = {ZOO: model, **({compare: peer} if compare and peer is not None else {})}
        engine = None
        if optimize:
            fast = search(model, example, backends="auto" if optimize is True else optimize, budget_s=budget_s)
            nets, engine = {OPTIMIZED: fast, **nets}, fast.report.chosen
        cost = cost_of(model, tuple(example.shape[1:]))
        facts = {"model": name, "batch": batch, "size": size, **dataclasses.asdict(cost)}
        found += _compared(facts, _forwards(nets, example), "inference", compare, engine, device, seconds)
        if training:
            plain = {who: net for who, net in nets.items() if who != OPTIMIZED}
            found += _compared(facts, _steps(plain, example), "training", compare, None, device, seconds)
    return found


def peer_of(library: str, name: str) -> nn.Module:
    """Return another library's network of a model's name, with random weights.

    Raises:
        OptionError: for an unknown library.
        ZooError: where it is not installed, or has no such model.
    """
    if library not in PEERS:
        raise OptionError(f"unknown peer {library!r}; there is {', '.join(PEERS)}")
    architecture = name.rpartition("/")[2].partition(".")[0]
    if ":" in name:  # of a repository, whose config names it
        architecture = zoo_core.describe(name).architecture
    try:
        import timm
    except ImportError as error:
        raise ZooError(f"timm is not here to compare with: pip install timm ({error})") from error
    try:
        return timm.create_model(architecture)
    except Exception as error:
        raise ZooError(f"timm cannot create {architecture!r}: {type(error).__name__}: {error}") from error


def example_size(model: nn.Module) -> tuple[int, int]:
    """Return height and width of the images that a model expects."""
    shape = example_of(model).shape
    return int(shape[-2]), int(shape[-1])


def _forwards(nets: dict[str, nn.Module], example: Tensor) -> dict[str, Callable[[], Any]]:
    def forward(net: nn.Module) -> Any:
        with torch.no_grad():
            return net(example)

    return {who: lambda net=net: forward(net) for who, net in nets.items()}  # type: ignore[misc] # a lambda's default


def _steps(nets: dict[str, nn.Module], example: Tensor) -> dict[str, Callable[[], Any]]:
    def step(net: nn.Module) -> None:
        net.train()
        net.zero_grad(set_to_none=True)
        torch.stack([leaf.float().square().mean() for leaf in pytree.tree_leaves(net(example))]).sum().backward()  # type: ignore[no-untyped-call]
        net.zero_grad(set_to_none=True)
        net.eval()

    return {who: lambda net=net: step(net) for who, net in nets.items()}  # type: ignore[misc] # a lambda's default


def _compared(
    facts: dict[str, Any],
    contestants: dict[str, Callable[[], Any]],
    mode: str,
    compare: str | None,
    engine: str | None,
    device: str,
    seconds: float,
) -> list[Measurement]:
    """Measure contestants in turns, and compare each with the peer, or else the plain model."""
    clock = clock_for(device)
    times = take_turns(contestants, clock=clock, seconds=seconds, least=5, most=51)
    over = compare or (ZOO if len(contestants) > 1 else None)
    rows = []
    for who, run in contestants.items():
        interval = Interval.of([value * 1e3 for value in times[who]])
        rows.append(
            Measurement(
                **facts,
                contestant=who,
                mode=mode,
                milliseconds=interval,
                images_per_second=facts["batch"] / interval.median * 1e3,
                peak_bytes=None if who == OPTIMIZED else peak_bytes(run, device),
                over=over if who != over else None,
                ratio=ratios(times, who, over) if over is not None and who != over else None,
                engine=engine if who == OPTIMIZED else None,
            )
        )
    return rows
