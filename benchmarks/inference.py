"""The fastest way to run a model, against timm run eagerly: `python benchmarks/inference.py`.

Needs the peers, OpenVINO and ONNX Runtime (see constraints.txt). Every ratio is to timm's eager
network with the same weights, in the same run: `zoo` runs eagerly, `torch` is optimised by PyTorch
alone, `auto` by any backend, and beside them OpenVINO and ONNX Runtime run timm's network by hand.

    python benchmarks/inference.py                   # all three tables
    python benchmarks/inference.py --rows engines --only resnet50 --batch 1 --threads 2
    python benchmarks/inference.py --rows eager      # a network of each kind, training too
    python benchmarks/inference.py --rows digits     # top-1 of every engine
"""

from __future__ import annotations

import argparse
import gc
import io
import itertools
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import peers
from harness import Report, begin, interleave

peers.prepare()

import timm
import zoo_core as zoo
import zoo_inference
from zoo_inference.check import probes
from zoo_inference.machine import fingerprint

Rows = dict[str, Callable[[Report, argparse.Namespace], None]]
"""Functions that print a table, by name."""

TARGETS = {
    # architecture: targets of `auto` and of `torch`, at batch 1 and at batch 8
    "resnet50": {1: (1.6, 1.45), 8: (1.45, 1.25)},
    "densenet121": {1: (1.65, 1.5), 8: (1.45, 1.4)},
    "cspdarknet53": {1: (1.55, 1.3), 8: (1.45, 1.25)},
    "xception71": {1: (1.5, 1.3), 8: (1.5, 1.25)},
}
KINDS = {
    "plain": "resnet50",
    "grouped": "resnext50_32x4d",
    "SE": "seresnet50",
    "ECA": "ecaresnet50d",
    "blurred": "resnetblur50",
    "deep stem": "resnet50d",
    "dense": "densenet121",
    "separable": "xception41",
    "cross-stage": "cspresnet50",
    "group norm": "resnet50_gn",
}
"""An architecture of each kind, which eagerly may not be slower than timm's."""


def main() -> None:
    """Print tables of ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--batch", type=int, nargs="*", default=[1, 8])
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2], help="of the engines; other rows take one")
    run(parser, ROWS, rounds=11, budget=90.0)


def run(parser: argparse.ArgumentParser, tables: Rows, *, rounds: int, budget: float) -> None:
    """Add the options that all tables have, and print those that are asked for."""
    parser.add_argument("--rows", nargs="*", default=list(tables), choices=list(tables))
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--only", nargs="*", help="architectures")
    parser.add_argument("--budget", type=float, default=budget, help="seconds of each search")
    args, report = begin(parser)
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    report.note(str(fingerprint()))
    for rows in args.rows:
        tables[rows](report, args)
    report.write()


def engines(report: Report, args: argparse.Namespace) -> None:
    """The four networks: eager, optimised, and the backends by hand."""
    for name in args.only or TARGETS:
        theirs = timm.create_model(name)
        mine = zoo.create_model(name).eval()
        mine.load_state_dict(telling(theirs, mine.pretrained_cfg.input_size).state_dict())
        for batch, threads in itertools.product(args.batch, args.threads):
            torch.set_num_threads(threads)
            engines_of(report, args, name, (theirs, mine), (batch, threads))
            torch.set_num_threads(1)
            gc.collect()


def engines_of(
    report: Report, args: argparse.Namespace, name: str, nets: tuple[nn.Module, nn.Module], how: tuple[int, int]
) -> None:
    """One network, `nets` of timm and of Zoo, at one batch size and number of threads, `how`."""
    (theirs, mine), (batch, threads) = nets, how
    images = torch.randn(batch, *mine.pretrained_cfg.input_size)
    contestants: dict[str, Callable[[], object]] = {"timm": partial(theirs, images), "zoo": partial(mine, images)}
    for backends in ("auto", "torch"):
        fast = zoo_inference.optimize(mine, images, backends=backends, budget_s=args.budget)
        report.note(f"{name}, batch {batch}, {backends}: {fast.report}")
        contestants[backends] = partial(fast, images)
    program = exported(theirs, images)
    contestants["OpenVINO"] = openvino_by_hand(program, images, threads)
    contestants["ONNX Runtime"] = onnxruntime_by_hand(program, images, threads)
    # Idle workers spin, which is CPU time of nobody's work. A single image takes little time, so
    # that the noise is larger, and more rounds cost no more.
    clock = time.process_time if threads == 1 else time.perf_counter
    times = interleave(contestants, args.rounds * (1 if batch > 1 else 4), clock=clock)
    auto, alone = TARGETS.get(name, {}).get(batch, (None, None))
    what = f"{name}, batch {batch}, {threads} thread{'s' if threads > 1 else ''}"
    targets = {"auto": auto, "torch": alone, "zoo": 0.97}
    for who in [who for who in contestants if who != "timm"]:
        report.add(f"{what}: {who}", {who: times[who], "timm": times["timm"]}, over="timm", target=targets.get(who))
    best = min(("OpenVINO", "ONNX Runtime"), key=lambda who: sorted(times[who])[len(times[who]) // 2])
    report.add(f"{what}: auto", {"auto": times["auto"], best: times[best]}, over=best, target=0.97)


def telling(net: nn.Module, size: Sequence[int]) -> nn.Module:
    """Give a new network, in eval mode, weights with which a wrong engine would be seen.

    As drawn, scales and classifiers of zero hide the layers before them, and norms without
    statistics let the image fade: deep networks answer every image alike. With statistics alone
    they magnify their own rounding a thousandfold. Norms that shift by one cut few activations, and
    keep a network as calm as a trained one.
    """
    for parameter in net.parameters():
        if bool((parameter == parameter.flatten()[0]).all()):
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    for module in net.modules():
        if getattr(module, "running_mean", None) is not None:
            module.momentum = 1.0  # take the statistics of one batch
            if module.bias is not None:
                module.bias.add_(1)
    net.train()(torch.cat(probes(torch.randn(1, *size))))
    return net.eval()


def exported(net: nn.Module, images: torch.Tensor) -> bytes:
    """The network as an ONNX file, as a user exports it."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (images,), file, dynamo=False, input_names=["images"], opset_version=17)  # type: ignore[arg-type]
    return file.getvalue()


def openvino_by_hand(program: bytes, images: torch.Tensor, threads: int) -> Callable[[], object]:
    """OpenVINO in float32, for one image or batch at a time."""
    from openvino import Core

    core = Core()
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    compiled = core.compile_model(core.read_model(program), "CPU", options)
    values = images.numpy()
    return lambda: compiled([values])[0]


def onnxruntime_by_hand(program: bytes, images: torch.Tensor, threads: int) -> Callable[[], object]:
    """ONNX Runtime with all its optimisations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(program, options, providers=["CPUExecutionProvider"])
    values = images.numpy()
    return lambda: session.run(None, {"images": values})


def eager(report: Report, args: argparse.Namespace) -> None:
    """A network of each kind, eagerly: forward, and a step of training."""
    for kind, name in KINDS.items():
        if args.only and name not in args.only:
            continue
        nets = {"zoo": zoo.create_model(name), "timm": timm.create_model(name)}
        nets["zoo"].load_state_dict(nets["timm"].state_dict())
        images = torch.randn(4, 3, 128, 128)
        forwards = {who: partial(forward, net, images) for who, net in nets.items()}
        report.add(f"{kind}: {name}, forward", interleave(forwards, args.rounds), over="timm", target=0.97)
        steps = {who: partial(step, net, images) for who, net in nets.items()}
        report.add(f"{kind}: {name}, training", interleave(steps, args.rounds), over="timm", target=0.97)


def forward(net: nn.Module, images: torch.Tensor) -> object:
    """A forward pass."""
    return net.eval()(images)


@torch.enable_grad()
def step(net: nn.Module, images: torch.Tensor) -> None:
    """A forward and a backward pass."""
    net.train()
    net.zero_grad(set_to_none=True)
    net(images).square().mean().backward()


def digits(report: Report, args: argparse.Namespace) -> None:
    """Top-1 on the digits' test set, for every engine of the weights that the plugins ship."""
    from sklearn.datasets import load_digits
    from zoo_inference.engines.subject import Subject
    from zoo_inference.engines.table import ENGINES, chosen_engines
    from zoo_inference.refused import Refused

    images = torch.from_numpy(load_digits().images).float()[:, None] / 16
    images = torch.nn.functional.interpolate(images, size=(32, 32)).repeat(1, 3, 1, 1) * 2 - 1
    for name in args.only or zoo.list_pretrained("test_*.digits"):
        net = zoo.create_model(name, pretrained=True).eval()
        expected = net(images).argmax(1)
        subject = Subject(net, images[:8])
        for engine in chosen_engines("auto", "cpu", args.budget):
            try:
                run: Any = ENGINES[engine].build(subject)
            except Refused as reason:
                report.note(f"{name}, {engine}: refused: {reason}")
                continue
            same = bool((run(images).argmax(1) == expected).all())
            report.note(f"{name}, {engine}: top-1 of {len(images)} images {'equal' if same else 'DIFFERS'}")


ROWS: Rows = {
    "engines": engines,
    "eager": eager,
    "digits": digits,
}

if __name__ == "__main__":
    main()
