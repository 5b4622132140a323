"""A training step against timm's, and what each switch saves and costs.

    python benchmarks/training.py                       # minutes on two cores
    python benchmarks/training.py --rounds 3 --size 64 resnet50

The first part runs the same architecture with the same options here and in timm, the second the
switches that save memory beside the plain network of Zoo. Bytes and times are those of
`training_memory`: bytes do not depend on the machine, and times are the clock's.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import zoo_core as zoo
from harness import Report, begin
from torch import Tensor, nn
from training_memory import kept_bytes, times

ROOT = Path(__file__).parents[1]
AGAINST_TIMM = ("resnet50", "densenet121", "cspdarknet53", "xception71")
NOISE = 1.05
"""A ratio of times up to which two steps are as fast."""

Build = Callable[[], nn.Module]


def checkpointed(name: str, stages: int | None = None) -> nn.Module:
    """A network that recomputes its blocks: those of the first `stages`, or all."""
    net = zoo.create_model(name)
    if stages is None:
        net.set_grad_checkpointing()
    else:
        zoo.checkpoint_stages(net, range(1, stages + 1))
    return net


SWITCHES: dict[str, tuple[str, Build, tuple[float, float] | None]] = {
    "densenet121, `memory_efficient=True`": (
        "densenet121",
        partial(zoo.create_model, "densenet121", memory_efficient=True),
        (1 / 0.40, 1 / 1.20),
    ),
    "resnet50, `set_grad_checkpointing()`": ("resnet50", partial(checkpointed, "resnet50"), None),
    "resnet50, `checkpoint_stages(net, [1])`": ("resnet50", partial(checkpointed, "resnet50", 1), None),
    "cspdarknet53, `set_grad_checkpointing()`": ("cspdarknet53", partial(checkpointed, "cspdarknet53"), None),
    "cspdarknet53 with in-place norms": (
        "cspdarknet53",
        partial(zoo.create_model, "cspdarknet53_iabn"),
        (1 / 0.65, 1 / 1.15),
    ),
    "xception41, `set_grad_checkpointing()`": ("xception41", partial(checkpointed, "xception41"), None),
}
"""What is measured: the plain architecture, the same with a switch, and how many times less of
bytes and of time is promised."""


def timms(name: str) -> Build | None:
    """The constructor of timm's network; None where timm is not installed."""
    sys.path.append(str(ROOT / "tests"))
    try:
        import peers

        peers.prepare()
        import timm
    except ImportError:
        return None
    return partial(timm.create_model, name)


def measure(
    report: Report, what: str, pair: dict[str, Build], images: Tensor, rounds: int, targets: tuple[float, float] | None
) -> tuple[float, float]:
    """Add the rows of the bytes that a pair keeps and of its times; return the ratios."""
    torch.manual_seed(0)
    nets = tuple(build().to(images.device).train() for build in pair.values())
    kept = {name: [float(kept_bytes(net, images))] for name, net in zip(pair, nets, strict=True)}
    *_, over = pair
    less, faster = targets or (None, None)
    ratio = report.add(f"{what}: bytes", kept, over=over, target=less, unit="B")
    if not rounds:
        return ratio, 1.0
    taken = dict(zip(pair, times(nets, images, rounds), strict=True))
    return ratio, report.add(f"{what}: time", taken, over=over, target=faster)


def main() -> int:
    """Measure and print; a slower step is an error."""
    every = sorted({*AGAINST_TIMM, *(name for name, _, _ in SWITCHES.values())})
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(every)} (default: all)")
    parser.add_argument("--size", type=int, default=96, help="height and width of the images, in pixels")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=9, help="0 counts bytes only")
    parser.add_argument("--device", default="cpu")
    args, report = begin(parser)
    if unknown := set(args.names) - set(every):
        parser.error(f"unknown {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    random.seed(0)
    images = torch.randn(args.batch, 3, args.size, args.size, device=args.device)
    names = args.names or every
    fine = True
    for name in (name for name in AGAINST_TIMM if name in names):
        if (theirs := timms(name)) is None:
            report.note("timm is not installed")
            break
        pair = {"zoo": partial(zoo.create_model, name), "timm": theirs}
        less, faster = measure(report, name, pair, images, args.rounds, (1.0, 1 / NOISE))
        fine &= less >= 1 and faster >= 1 / NOISE
    for label, (name, build, promised) in SWITCHES.items():
        if name in names:
            pair = {"switch": build, "plain": partial(zoo.create_model, name)}
            measure(report, label, pair, images, args.rounds, promised)
    report.write()
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
