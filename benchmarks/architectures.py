"""Every architecture, optimised for one image: `python benchmarks/architectures.py`.

Ours under 60 M parameters, and 40 networks of timm as a bridge lists them. None may be slower than
it was given, none may differ by more than the tolerance; a row says which engine was chosen, and
the largest relative error of the values that were checked.

    python benchmarks/architectures.py                       # all
    python benchmarks/architectures.py --rows ours --only resnet50 densenet121
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import peers
from harness import Report, interleave
from inference import Rows, run, telling

peers.prepare()

import timm
import zoo_core as zoo
import zoo_inference

FAMILIES = [package.removeprefix("zoo_") for package in peers.FAMILIES]
LARGEST = 60e6
"""Parameters; a larger architecture of ours is left out."""
BRIDGED = [
    *("swin_tiny_patch4_window7_224", "swin_small_patch4_window7_224", "swinv2_tiny_window8_256"),
    *("vit_tiny_patch16_224", "vit_small_patch16_224", "deit_tiny_patch16_224", "convnext_atto"),
    *("convnext_tiny", "convnextv2_atto", "efficientnet_b0", "efficientnet_b1", "tf_efficientnetv2_b0"),
    *("efficientnet_lite0", "mobilenetv2_100", "mobilenetv3_large_100", "mobilenetv3_small_100"),
    *("mobilenetv4_conv_small", "mnasnet_100", "regnetx_004", "regnety_004", "regnety_016", "repvgg_a0"),
    *("mobileone_s0", "ghostnet_100", "hrnet_w18_small", "dla34", "dpn68", "res2net50_26w_4s"),
    *("resnest14d", "vgg11", "vgg11_bn", "inception_v3", "inception_v4", "mixer_s32_224"),
    *("resmlp_12_224", "poolformer_s12", "edgenext_xx_small", "levit_128s", "mobilevit_xxs"),
    "fastvit_t8",
]
"""Networks of timm, as a bridge lists them."""


def main() -> None:
    """Print a table of ratios to the network as it was given."""
    run(argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]), ROWS, rounds=7, budget=20.0)


def ours(report: Report, args: argparse.Namespace) -> None:
    """All architectures of ours that are not too large."""
    for name in args.only or zoo.list_models(family=FAMILIES, exclude_filters="test_*"):
        with torch.device("meta"):
            size = sum(parameter.numel() for parameter in zoo.create_model(name).parameters())
        if size < LARGEST:
            net = zoo.create_model(name)
            searched(report, name, net, net.pretrained_cfg.input_size, args)


def bridged(report: Report, args: argparse.Namespace) -> None:
    """Networks of timm."""
    for name in args.only or BRIDGED:
        net = timm.create_model(name)
        searched(report, name, net, net.pretrained_cfg["input_size"], args)


def searched(report: Report, name: str, net: nn.Module, size: Sequence[int], args: argparse.Namespace) -> None:
    """Optimise a network, and print the row of it."""
    images = torch.randn(1, *size)
    net = telling(net, size)
    fast = zoo_inference.optimize(net, images, budget_s=args.budget)
    result = fast.report
    error = max((a.error for a in result.attempts if a.name == result.chosen and a.error), default=0.0)
    times = interleave({"fast": lambda: fast(images), "given": lambda: net(images)}, args.rounds)
    report.add(f"{name}: {result.chosen}, error {error:.1e}", times, over="given", target=0.97)
    refused = {attempt.name: attempt.reason for attempt in result.attempts if attempt.reason}
    report.rows[-1]["refused"] = refused
    for engine, reason in refused.items():
        report.note(f"    {engine} refused: {reason}")


ROWS: Rows = {"ours": ours, "bridged": bridged}

if __name__ == "__main__":
    main()
