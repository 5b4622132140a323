"""The fastest way to run a model, against timm run eagerly: `python benchmarks/inference.py`.

Needs the peers, OpenVINO and ONNX Runtime (see constraints.txt). Every ratio is to timm's eager
network with the same weights, in the same run: `zoo` runs eagerly, `torch` is optimised by PyTorch
alone, `auto` by any backend, and beside them OpenVINO and ONNX Runtime run timm's network by hand.
Each of these has a process of its own, as with its user, and they take turns; those that run
eagerly have several.

    python benchmarks/inference.py                   # all three tables
    python benchmarks/inference.py --rows engines --only resnet50 --batch 1 --threads 2
    python benchmarks/inference.py --rows eager      # a network of each kind, training too
    python benchmarks/inference.py --rows digits     # top-1 of every engine
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import peers
from harness import Report, begin, interleave, interleave_apart

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
EAGER = {"timm": 4, "zoo": 4}
"""Processes of those that run eagerly, whose memory differs from process to process."""
WEIGHTS, PROGRAM = "weights.pt", "program.onnx"


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
        net = timm.create_model(name)
        size = net.pretrained_cfg["input_size"]
        telling(net, size)
        with tempfile.TemporaryDirectory() as folder:
            torch.save(net.state_dict(), Path(folder, WEIGHTS))
            for batch, threads in itertools.product(args.batch, args.threads):
                export(net, torch.randn(batch, *size), Path(folder, PROGRAM))
                engines_of(report, args, Case(name, (batch, *size), threads, args.budget, Path(folder)))


class Case(NamedTuple):
    """A network, by its name, what it is given, and how; weights and program lie in a folder."""

    name: str
    shape: tuple[int, ...]
    threads: int
    budget: float
    folder: Path

    @property
    def batch(self) -> int:
        """The number of images."""
        return self.shape[0]


def engines_of(report: Report, args: argparse.Namespace, case: Case) -> None:
    """One network at one batch size and number of threads."""
    # Idle workers spin, which is CPU time of nobody's work. A single image takes little time, so
    # that the noise is larger, and more rounds cost no more.
    clock = time.process_time if case.threads == 1 else time.perf_counter
    rounds = args.rounds * (1 if case.batch > 1 else 4)
    makers = {who: partial(contestant, who, case) for who in CONTESTANTS}
    times = interleave_apart(makers, rounds, processes=EAGER, untimed=int(case.batch == 1), clock=clock)
    auto, alone = TARGETS.get(case.name, {}).get(case.batch, (None, None))
    what = f"{case.name}, batch {case.batch}, {case.threads} thread{'s' if case.threads > 1 else ''}"
    targets = {"auto": auto, "torch": alone, "zoo": 0.97}
    for who in [who for who in CONTESTANTS if who != "timm"]:
        report.add(f"{what}: {who}", {who: times[who], "timm": times["timm"]}, over="timm", target=targets.get(who))
    best = min(("OpenVINO", "ONNX Runtime"), key=lambda who: sorted(times[who])[len(times[who]) // 2])
    report.add(f"{what}: auto", {"auto": times["auto"], best: times[best]}, over=best, target=0.97)


def contestant(who: str, case: Case) -> Callable[[], object]:
    """Make what one contestant runs, in its process."""
    torch.set_grad_enabled(False)
    torch.set_num_threads(case.threads)
    return CONTESTANTS[who](case, torch.randn(case.shape))


def timm_eagerly(case: Case, images: torch.Tensor) -> Callable[[], object]:
    """The network of timm."""
    return partial(weighted(timm.create_model(case.name), case), images)


def zoo_eagerly(case: Case, images: torch.Tensor) -> Callable[[], object]:
    """Ours."""
    return partial(weighted(zoo.create_model(case.name), case), images)


def optimised(backends: str, case: Case, images: torch.Tensor) -> Callable[[], object]:
    """Ours, by the fastest of these backends."""
    net = weighted(zoo.create_model(case.name), case)
    fast = zoo_inference.optimize(net, images, backends=backends, budget_s=case.budget)
    print(f"{case.name}, batch {case.batch}, {backends}: {fast.report}", flush=True)
    return partial(fast, images)


def weighted(net: nn.Module, case: Case) -> nn.Module:
    """Load the weights that all contestants have."""
    net.load_state_dict(torch.load(case.folder / WEIGHTS, weights_only=True))
    return net.eval()


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


def export(net: nn.Module, images: torch.Tensor, file: Path) -> None:
    """Write the network as an ONNX file, as a user exports it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (images,), file, dynamo=False, input_names=["images"], opset_version=17)


def openvino_by_hand(case: Case, images: torch.Tensor) -> Callable[[], object]:
    """OpenVINO in float32, for one image or batch at a time."""
    from openvino import Core

    core = Core()
    options = {
        "INFERENCE_NUM_THREADS": case.threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    compiled = core.compile_model(core.read_model(case.folder / PROGRAM), "CPU", options)
    values = images.numpy()
    return lambda: compiled([values])[0]


def onnxruntime_by_hand(case: Case, images: torch.Tensor) -> Callable[[], object]:
    """ONNX Runtime with all its optimisations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = case.threads
    session = onnxruntime.InferenceSession(case.folder / PROGRAM, options, providers=["CPUExecutionProvider"])
    values = images.numpy()
    return lambda: session.run(None, {"images": values})


CONTESTANTS: dict[str, Callable[[Case, torch.Tensor], Callable[[], object]]] = {
    "timm": timm_eagerly,
    "zoo": zoo_eagerly,
    "auto": partial(optimised, "auto"),
    "torch": partial(optimised, "torch"),
    "OpenVINO": openvino_by_hand,
    "ONNX Runtime": onnxruntime_by_hand,
}


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
