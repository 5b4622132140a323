"""The cost of creating a model, against timm: `python benchmarks/creation.py`.

Needs the peers (see constraints.txt).

Rows: a pretrained model from a local safetensors file, its first forward, and the memory that
    loading takes; from a `.pth`; its second forward; one that is initialised; and a cold process.
    Both sides load the same file.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import peers
from harness import Report, begin, children, interleave

peers.prepare()

import timm
import zoo_core as zoo
from safetensors.torch import save_file

# architecture: targets for pretrained from safetensors, with first forward, from .pth, initialised
TARGETS = {
    "resnet50": (14, 2.3, 6, 1.5),
    "cspdarknet53": (9, None, None, 1.9),
    "xception71": (5, None, None, 1.15),
    "densenet121": (4, 1.7, 4, 1.7),
}
SIZE = 224


def main() -> None:
    """Print a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", nargs="*", default=list(TARGETS), help="architectures")
    args, report = begin(parser)
    torch.set_num_threads(1)  # CPU time of idle workers would be noise
    report.note(f"torch {torch.__version__}, timm {timm.__version__}, {args.rounds} rounds, CPU time")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ZOO_CACHE"] = str(Path(folder) / "cache")  # where misaligned files get their aligned copies
        for name in args.only:
            if name in zoo.list_models():
                measure(report, name, Path(folder), args.rounds)
        keep_freed_memory()
        for name in args.only:
            if name in zoo.list_models():
                second_forward(report, name, Path(folder), 2 * args.rounds)
                pair = interleave(
                    {
                        "zoo": lambda name=name: zoo.create_model(name),
                        "timm": lambda name=name: timm.create_model(name),
                    },
                    args.rounds,
                )
                report.add(f"{name}: initialised", pair, over="timm", target=TARGETS[name][3])
        if "resnet50" in args.only:
            cold(report, Path(folder) / "resnet50.safetensors", args.rounds)
    report.write()


def measure(report: Report, name: str, folder: Path, rounds: int) -> None:
    """The rows of one architecture."""
    files = {kind: folder / f"{name}.{kind}" for kind in ("safetensors", "pth")}
    torch.manual_seed(0)
    weights = timm.create_model(name).state_dict()
    save_file(weights, files["safetensors"])
    torch.save(weights, files["pth"])
    load, first, pth, _ = TARGETS[name]
    images = torch.randn(1, 3, SIZE, SIZE)

    def theirs(kind: str) -> torch.nn.Module:
        return timm.create_model(name, pretrained=True, pretrained_cfg_overlay={"file": str(files[kind])})

    def ours(kind: str) -> torch.nn.Module:
        return zoo.create_model(name, pretrained=True, pretrained_cfg_overlay={"file": str(files[kind])}, mmap=True)

    def forward(model: torch.nn.Module) -> torch.Tensor:
        with torch.inference_mode():
            return model.eval()(images)

    assert torch.equal(forward(ours("safetensors")), forward(theirs("safetensors"))), "results differ"
    pair = interleave({"zoo": lambda: ours("safetensors"), "timm": lambda: theirs("safetensors")}, rounds)
    report.add(f"{name}: pretrained, safetensors", pair, over="timm", target=load)
    copied = {"file": str(files["safetensors"])}
    pair = interleave(
        {
            "zoo": lambda: zoo.create_model(name, pretrained=True, pretrained_cfg_overlay=copied),
            "timm": lambda: theirs("safetensors"),
        },
        rounds,
    )
    report.add(f"{name}: the same, a user's own path, copied", pair, over="timm")
    pair = interleave({"zoo": lambda: ours("pth"), "timm": lambda: theirs("pth")}, rounds)
    report.add(f"{name}: pretrained, .pth", pair, over="timm", target=pth)
    pair = interleave(
        {"zoo": lambda: forward(ours("safetensors")), "timm": lambda: forward(theirs("safetensors"))},
        rounds,
    )
    report.add(f"{name}: pretrained and first forward", pair, over="timm", target=first)
    sizes = {"zoo": [private_memory(name, files["safetensors"])], "file": [files["safetensors"].stat().st_size]}
    report.add(f"{name}: private memory taken by the load", sizes, over="file", target=10, unit="B")


def second_forward(report: Report, name: str, folder: Path, rounds: int) -> None:
    """Time a network on mapped weights against the same on private memory, and against timm's."""
    overlay = {"file": str(folder / f"{name}.safetensors")}
    models = {
        "mapped": zoo.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, mmap=True),
        "private": zoo.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, mmap=False),
        "timm": timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay),
    }
    images = torch.randn(1, 3, SIZE, SIZE)
    with torch.inference_mode():
        times = interleave({which: partial(model.eval(), images) for which, model in models.items()}, rounds)
    for peer in ("private", "timm"):
        row = {"mapped": times["mapped"], peer: times[peer]}
        report.add(f"{name}: second forward", row, over=peer, target=0.97)


def keep_freed_memory() -> None:
    """Let the C library keep memory that is freed, where that is glibc.

    By default it gives some back to the system, by no rule that a contestant has a hand in, and
    whoever allocates next waits until the system has cleared it again: 70 ms for a network that
    takes 120 to draw, 10 of a forward's 100.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
        library.mallopt(-3, 1 << 25)  # M_MMAP_THRESHOLD, at its limit


MEMORY = """
import sys, torch, zoo_core as zoo
def private():
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Anonymous:")) * 1024
name, file = sys.argv[1:]
build = lambda: zoo.create_model(name, pretrained=True, pretrained_cfg_overlay={"file": file}, mmap=True)
del_me = build(); del del_me
before = private(); model = build(); print(private() - before)
"""


def private_memory(name: str, file: Path) -> float:
    """Bytes of private memory that a warm process gains by creating the model."""
    run = subprocess.run([sys.executable, "-c", MEMORY, name, str(file)], check=True, capture_output=True, text=True)
    return float(run.stdout)


def cold(report: Report, file: Path, rounds: int) -> None:
    """CPU time of whole processes, user and system."""

    def process(code: str) -> None:
        # As on a user's machine: compiled code is kept, also ours, which pip has not compiled while
        # it is developed.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}
        subprocess.run([sys.executable, "-c", code], check=True, env=environment, stdout=subprocess.DEVNULL)

    overlay = f"pretrained=True, pretrained_cfg_overlay={{'file': {str(file)!r}}}"
    contestants = {
        "zoo": lambda: process(f"import zoo_core; zoo_core.create_model('resnet50', {overlay}, mmap=True)"),
        "torch": lambda: process("import torch"),
        "timm": lambda: process(
            f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r}); import peers; peers.prepare(); "
            f"import timm; timm.create_model('resnet50', {overlay})"
        ),
    }
    times = interleave(contestants, max(rounds // 2, 5), warm_up=1, clock=children)
    report.add("cold process, pretrained resnet50", times, over="timm", target=2)
    report.add(
        "cold process, import torch alone", {key: times[key] for key in ("zoo", "torch")}, over="torch", target=1 / 1.15
    )


if __name__ == "__main__":
    main()
