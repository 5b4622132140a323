"""Feature extraction against timm and torchvision: `python benchmarks/features.py`.

Needs the peers (see constraints.txt). Every contestant has the same weights and yields the same
maps. Speed is CPU time of one forward; memory is the most that a forward allocates, counted by
torch's own profiler.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median

import torch
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import peers
from harness import Report, begin, interleave

peers.prepare()

import timm
import zoo_core as zoo
from torchvision.models.feature_extraction import create_feature_extractor

ARCHITECTURES = ("resnet50", "densenet121", "xception71", "cspdarknet53")
WRAPPERS = ("list", "hook", "getter", "fx")


def main() -> None:
    """Print a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--size", type=int, default=224, help="of the image, in pixels")
    parser.add_argument("--only", nargs="*", default=list(ARCHITECTURES), help="architectures")
    parser.add_argument("--wrappers", nargs="*", default=["list"], choices=WRAPPERS)
    args, report = begin(parser)
    torch.set_num_threads(1)  # CPU time of idle workers would be noise
    torch.set_grad_enabled(False)
    for name in args.only:
        for wanted in (None, (1, 2)):
            measure(report, name, wanted, args)
    report.write()


def measure(report: Report, name: str, wanted: tuple[int, ...] | None, args: argparse.Namespace) -> None:
    """The rows of one architecture and one choice of maps."""
    torch.manual_seed(0)
    full = timm.create_model(name).eval()
    weights = full.state_dict()
    images = torch.randn(1, 3, args.size, args.size)
    table = full.feature_info
    indices = tuple(range(len(table))) if wanted is None else wanted

    contestants: dict[str, torch.nn.Module] = {}
    for wrapper in args.wrappers:
        extractor = zoo.create_model(name, features_only=True, out_indices=indices, feature_cls=wrapper)
        extractor.load_state_dict({key: weights[key] for key in extractor.state_dict()})
        contestants["zoo" if wrapper == "list" else f"zoo {wrapper}"] = extractor.eval()
    for wrapper in ("list", "hook", "getter"):
        try:
            extractor = timm.create_model(name, features_only=True, out_indices=indices, feature_cls=wrapper)
            extractor.load_state_dict(_keys_as_in(extractor, weights))
        except Exception as error:
            report.note(f"{name}: timm's {wrapper} wrapper fails: {str(error).splitlines()[0][:80]}")
            continue
        contestants[f"timm {wrapper}"] = extractor.eval()
    nodes = [table[index]["module"] for index in indices]
    try:
        contestants["torchvision"] = create_feature_extractor(full, nodes).eval()
    except Exception as error:
        report.note(f"{name}: torchvision's extractor fails: {str(error).splitlines()[0][:80]}")

    expected = _maps(contestants["zoo"](images))
    for peer, extractor in contestants.items():
        maps = _maps(extractor(images))
        if not all(torch.equal(a, b) for a, b in zip(maps, expected, strict=True)):
            report.note(f"{name}: {peer} yields other maps")
    times = interleave(
        {peer: lambda extractor=extractor: extractor(images) for peer, extractor in contestants.items()}, args.rounds
    )
    theirs = min((peer for peer in times if peer.startswith("timm")), key=lambda peer: median(times[peer]))
    what = f"{name}, {'all' if wanted is None else wanted} maps"
    for mine in (peer for peer in times if peer.startswith("zoo")):
        report.add(what, {mine: times[mine], theirs: times[theirs]}, over=theirs, target=0.97)
        if "torchvision" in times:
            target = None if wanted is None else 2.0
            both = {mine: times[mine], "torchvision": times["torchvision"]}
            report.add(what, both, over="torchvision", target=target)
    peaks = {peer: [float(_peak(extractor, images))] for peer, extractor in contestants.items()}
    least = min((peer for peer in peaks if not peer.startswith("zoo")), key=peaks.__getitem__)
    both = {"zoo": peaks["zoo"], least: peaks[least]}
    report.add(f"{what}: memory", both, over=least, target=0.999, unit="B")


def _keys_as_in(extractor: torch.nn.Module, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the weights under timm's names: with a prefix, or underscores where it flattens."""
    by_name = {key.replace(".", "_"): value for key, value in weights.items()}
    plain = {key: key.removeprefix("model.").removeprefix("body.") for key in extractor.state_dict()}
    return {key: by_name[name.replace(".", "_")] for key, name in plain.items()}


def _maps(output: object) -> list[torch.Tensor]:
    return list(output.values()) if isinstance(output, dict) else list(output)  # type: ignore[call-overload]


def _peak(extractor: torch.nn.Module, images: torch.Tensor) -> int:
    """The most bytes of tensors alive at once during a forward, beyond those alive before it."""
    extractor(images)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as events:
        output = extractor(images)
    del output
    alive = most = 0
    for event in events.profiler.kineto_results.events():
        if event.name() == "[memory]":
            alive += event.nbytes()
            most = max(most, alive)
    return most


if __name__ == "__main__":
    main()
