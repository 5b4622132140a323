"""The cost of a pretrained model by zoo-timm, against timm: `python benchmarks/bridges.py`.

Needs the peers (see constraints.txt). Both load the same local safetensors file, in one process, in
turns; the networks and the values are the same.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import peers
from harness import Report, begin, interleave

peers.prepare()

import timm
import zoo_core as zoo
from safetensors.torch import save_file

TARGETS = dict.fromkeys(
    ("vit_base_patch16_224", "convnext_base", "swin_base_patch4_window7_224", "efficientnet_b3"), 3.0
)


def main() -> None:
    """Print a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", nargs="*", default=list(TARGETS), help="architectures of timm")
    args, report = begin(parser)
    torch.set_num_threads(1)  # CPU time of idle workers would be noise
    report.note(f"torch {torch.__version__}, timm {timm.__version__}, {args.rounds} rounds, CPU time")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ZOO_CACHE"] = str(Path(folder) / "cache")  # where misaligned files get their aligned copies
        for name in args.only:
            measure(report, name, Path(folder) / f"{name}.safetensors", args.rounds)
    report.write()


def measure(report: Report, name: str, file: Path, rounds: int) -> None:
    """The row of one architecture."""
    torch.manual_seed(0)
    save_file(timm.create_model(name).state_dict(), file)
    overlay = {"file": str(file)}

    def theirs() -> torch.nn.Module:
        return timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay)

    def ours() -> torch.nn.Module:
        return zoo.create_model(f"zoo-timm/{name}", pretrained=True, pretrained_cfg_overlay=overlay, mmap=True)

    expected, got = theirs().state_dict(), ours().state_dict()
    assert all(torch.equal(tensor, got[key]) for key, tensor in expected.items()), "weights differ"
    del expected, got
    report.add(
        f"{name}: pretrained", interleave({"zoo": ours, "timm": theirs}, rounds), over="timm", target=TARGETS.get(name)
    )
    file.unlink()


if __name__ == "__main__":
    main()
