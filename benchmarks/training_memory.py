"""The memory and time of training: `python benchmarks/training_memory.py`.

In-place activated batch norm against its plain twin, and DenseNet's ``memory_efficient`` against
plain and, where timm is installed, against timm's option. Bytes are those of the distinct tensors
that autograd keeps for the backward pass, the network's own left out; they do not depend on the
machine. Times are of one step (forward and backward), as ratios: every round runs both variants, in
an order that changes, and the ratio is taken within the round, so that what else the machine does
meets both sides. Median of the rounds, and between which values half of them lie.

    python benchmarks/training_memory.py --size 96 --batch 4 --rounds 9       # minutes on two cores
    python benchmarks/training_memory.py --device cuda --size 224 --batch 32
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median, quantiles

import torch
import zoo_core
from torch import Tensor, nn

IABN = {
    "densenet264d_iabn": "densenet264d",
    "cspresnext50_iabn": "cspresnext50",
    "cspdarknet53_iabn": "cspdarknet53",
}
"""Architectures with in-place activated batch norm, each with its plain twin."""
MEMORY_EFFICIENT = "densenet121"

Build = Callable[[], nn.Module]


def build_pairs(names: list[str]) -> dict[str, tuple[Build, Build, str]]:
    """The lines to measure, by name: variant, baseline, and the bounds in the documentation."""
    lines: dict[str, tuple[Build, Build, str]] = {}
    for fused, plain in IABN.items():
        if fused in names:
            bounds = "bytes <= 0.65, time <= 1.15"
            lines[f"{fused} / {plain}"] = (
                partial(zoo_core.create_model, fused),
                partial(zoo_core.create_model, plain),
                bounds,
            )
    if MEMORY_EFFICIENT in names:
        keeping = partial(zoo_core.create_model, MEMORY_EFFICIENT)
        efficient = partial(keeping, memory_efficient=True)
        lines[f"{MEMORY_EFFICIENT} memory_efficient / plain"] = efficient, keeping, "bytes <= 0.40"
        if theirs := timm_model(MEMORY_EFFICIENT):
            lines[f"timm's {MEMORY_EFFICIENT} memory_efficient / plain"] = theirs, keeping, "none, to compare"
            lines[f"{MEMORY_EFFICIENT} memory_efficient / timm's"] = efficient, theirs, "time <= 1"
    return lines


def timm_model(name: str) -> Build | None:
    """The network of timm with its ``memory_efficient``; None where timm is not installed."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    try:
        import peers

        peers.prepare()
        import timm
    except ImportError:
        return None
    return partial(timm.create_model, name, memory_efficient=True)


def step(net: nn.Module, images: Tensor) -> None:
    """One forward and one backward pass."""
    net.zero_grad(set_to_none=True)
    net(images).float().square().mean().backward()


def kept_bytes(net: nn.Module, images: Tensor) -> int:
    """Count the bytes of storages kept for the backward pass, without parameters and buffers."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*net.parameters(), *net.buffers())}
    kept: dict[int, int] = {}
    alive: list[Tensor] = []  # so that no address is given out twice

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        net(images)
    return sum(kept.values())


def seconds(net: nn.Module, images: Tensor) -> float:
    """Of one step."""
    if images.is_cuda:
        torch.cuda.synchronize()
    start = time.perf_counter()
    step(net, images)
    if images.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_bytes(net: nn.Module, images: Tensor) -> int:
    """Of device memory during one step, beyond what was taken before it."""
    net.zero_grad(set_to_none=True)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step(net, images)
    return torch.cuda.max_memory_allocated() - before


def times(nets: Sequence[nn.Module], images: Tensor, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of each in each round, interleaved; a round before the first warms up."""
    taken: tuple[list[float], list[float]] = [], []
    for number in range(rounds + 1):
        order = [0, 1]
        random.shuffle(order)
        for index in order:
            spent = seconds(nets[index], images)
            if number:
                taken[index].append(spent)
    return taken


def main() -> int:
    """Measure, and print a line per pair."""
    names = [*IABN, MEMORY_EFFICIENT]
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)} (default: those installed)")
    parser.add_argument("--size", type=int, default=96, help="height and width of the images, in pixels")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=9, help="0 counts bytes only")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    if unknown := set(args.names) - set(names):
        parser.error(f"unknown {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    wanted = args.names or [name for name in names if zoo_core.is_model(name)]

    torch.manual_seed(0)
    random.seed(0)
    warnings.filterwarnings("ignore", message=".*torch.jit.*deprecated", category=DeprecationWarning)
    device = torch.cuda.get_device_name() if args.device == "cuda" else f"{os.cpu_count()} CPUs"
    print(f"torch {torch.__version__}, {device}, {args.batch} x 3 x {args.size} x {args.size}, {args.rounds} rounds\n")
    images = torch.randn(args.batch, 3, args.size, args.size, device=args.device)
    for line, (variant, baseline, bounds) in build_pairs(wanted).items():
        nets = variant().to(args.device).train(), baseline().to(args.device).train()
        kept = [kept_bytes(net, images) for net in nets]
        print(f"{line}\n  kept    {kept[0] / kept[1]:.3f}  ({kept[0] / 1e6:.1f} of {kept[1] / 1e6:.1f} MB)")
        if images.is_cuda:
            peaks = [peak_bytes(net, images) for net in nets]
            print(f"  peak    {peaks[0] / peaks[1]:.3f}  ({peaks[0] / 1e6:.1f} of {peaks[1] / 1e6:.1f} MB)")
        if args.rounds:
            ratios = [mine / theirs for mine, theirs in zip(*times(nets, images, args.rounds), strict=True)]
            low, _, high = quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
            print(f"  time    {median(ratios):.3f}  (half of the rounds {low:.3f} to {high:.3f})")
        print(f"  promise {bounds}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
