"""A training step against timm's, and what each switch saves and costs.

    python benchmarks/training.py                       # minutes on two cores
    python benchmarks/training.py --rounds 3 --size 64 resnet50
    python benchmarks/training.py --write               # the table of docs/training.md

The first part runs the same architecture with the same options here and in timm, the second the
switches that save memory over the plain network of Zoo. Bytes and times are those of
`training_memory`: bytes do not depend on the machine; times are ratios within a round, median and
quartiles.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median, quantiles

import torch
import zoo_core as zoo
from torch import Tensor, nn
from training_memory import kept_bytes, time_ratios

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "training.md"
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


SWITCHES: dict[str, tuple[str, Build, str]] = {
    "densenet121, `memory_efficient=True`": (
        "densenet121",
        partial(zoo.create_model, "densenet121", memory_efficient=True),
        "bytes <= 0.40, time <= 1.20",
    ),
    "resnet50, `set_grad_checkpointing()`": ("resnet50", partial(checkpointed, "resnet50"), ""),
    "resnet50, `checkpoint_stages(net, [1])`": ("resnet50", partial(checkpointed, "resnet50", 1), ""),
    "cspdarknet53, `set_grad_checkpointing()`": ("cspdarknet53", partial(checkpointed, "cspdarknet53"), ""),
    "cspdarknet53 with in-place norms": (
        "cspdarknet53",
        partial(zoo.create_model, "cspdarknet53_iabn"),
        "bytes <= 0.65, time <= 1.15",
    ),
    "xception41, `set_grad_checkpointing()`": ("xception41", partial(checkpointed, "xception41"), ""),
}
"""What is measured: the plain architecture, the same with a switch, and what is promised."""


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


def measure(pair: tuple[Build, Build], images: Tensor, rounds: int) -> tuple[float, list[float]]:
    """The ratio of kept bytes, and those of times, of the first over the second."""
    torch.manual_seed(0)
    nets = pair[0]().to(images.device).train(), pair[1]().to(images.device).train()
    kept = [kept_bytes(net, images) for net in nets]
    return kept[0] / kept[1], time_ratios(nets, images, rounds) if rounds else []


def shown(times: list[float]) -> str:
    """The median of the ratios, and between which values half of them lie."""
    if not times:
        return "-"
    low, _, high = quantiles(times, n=4) if len(times) > 1 else times * 3
    return f"{median(times):.2f} ({low:.2f} to {high:.2f})"


def against_timm(names: list[str], images: Tensor, rounds: int) -> bool:
    """Print a line per architecture; return whether none is slower beyond noise."""
    fine = True
    print(f"{'over timm, same options':44s} bytes   time")
    for name in names:
        if (theirs := timms(name)) is None:
            print("timm is not installed")
            return True
        bytes_ratio, times = measure((partial(zoo.create_model, name), theirs), images, rounds)
        slower = bool(times) and median(times) > NOISE
        fine &= not slower and bytes_ratio <= 1.0
        print(f"{name:44s} {bytes_ratio:.3f}   {shown(times)}{'   SLOWER' if slower else ''}", flush=True)
    return fine


def table(names: list[str], images: Tensor, rounds: int) -> str:
    """Measure the switches, and return the document's table."""
    place = "CPU" if images.device.type == "cpu" else torch.cuda.get_device_name()
    size = " x ".join(map(str, images.shape))
    rows = [f"| torch {torch.__version__}, {place}, {size} | bytes | time | promised |", "|---|---|---|---|"]
    for label, (name, build, promise) in SWITCHES.items():
        if name in names:
            bytes_ratio, times = measure((build, partial(zoo.create_model, name)), images, rounds)
            rows.append(f"| {label} | {bytes_ratio:.2f} | {shown(times)} | {promise} |")
            print(rows[-1], flush=True)
    return "\n".join(rows)


def main() -> int:
    """Measure and print; a slower step is an error."""
    every = sorted({*AGAINST_TIMM, *(name for name, _, _ in SWITCHES.values())})
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(every)} (default: all)")
    parser.add_argument("--size", type=int, default=96, help="height and width of the images, in pixels")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=9, help="0 counts bytes only")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--write", action="store_true", help="write the table of the switches into docs/training.md")
    args = parser.parse_args()
    if unknown := set(args.names) - set(every):
        parser.error(f"unknown {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    random.seed(0)
    images = torch.randn(args.batch, 3, args.size, args.size, device=args.device)
    names = args.names or every
    fine = args.write or against_timm([name for name in AGAINST_TIMM if name in names], images, args.rounds)
    text = table(names, images, args.rounds)
    if args.write:
        guide = GUIDE.read_text(encoding="utf-8")
        marked = r"(<!-- memory: .*? -->\n).*?(<!-- /memory -->)"
        guide = re.sub(marked, lambda match: f"{match[1]}\n{text}\n\n{match[2]}", guide, flags=re.DOTALL)
        GUIDE.write_text(guide, encoding="utf-8")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
