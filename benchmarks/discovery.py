"""The cost of finding models, beside Python's start: `python benchmarks/discovery.py`.

Every figure is the CPU time (user and system) of a fresh process. Ratios are to ``python -c pass``
in the same environment and the same round, so that the machine's speed cancels out. The
environments are generated: plugins that are manifests, and distributions that have nothing to do
with Zoo.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from harness import Report, begin, children, interleave
from zoo_core.discovery.manifest import API, HEADER

CORE = Path(__file__).parents[1] / "core" / "src"
ROOT = CORE.parents[1]
RESNET = ROOT / "plugins" / "resnet" / "src"
SIZES = (250, 500, 1000)
TARGETS = {"list, 5 plugins among 150 distributions": 1 / 2.5, "list, 1000 plugins of 100 names": 1 / 25}
LIST = "import zoo_core; zoo_core.list_models()"
FIND = "from zoo_core.registry import *; load_constructor(find_model('bench7net50_w1'))"
TIMED = """
import statistics, time, zoo_core
from zoo_core.registry import *
def once():
    start = time.process_time(); {what}; return time.process_time() - start
list_models(); once()
print(statistics.median(once() for _ in range({runs})))
"""
RESOLVE = TIMED.format(what="load_constructor(find_model('bench2net18_w4'))", runs=2000)
CREATE = TIMED.format(what="zoo_core.create_model('resnet18')", runs=15)


def add_unrelated(site: Path, count: int) -> None:
    """Distributions with a console script each, as most have."""
    for i in range(count):
        info = site / f"unrelated_{i}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: unrelated-{i}\nVersion: 1.0\n")
        if i % 2:
            (info / "entry_points.txt").write_text(f"[console_scripts]\ntool{i} = unrelated_{i}:main\n")


def add_plugins(site: Path, count: int, architectures: int) -> None:
    """Write plugins of one family each: architectures with two tags, and an empty constructor."""
    for i in range(count):
        package, info = site / f"zoo_bench{i}", site / f"zoo_bench{i}-1.0.dist-info"
        package.mkdir(parents=True)
        info.mkdir()
        names = [f"bench{i}net{depth}_w{depth % 7}" for depth in range(architectures)]
        rows = {
            name: {"constructor": f"zoo_bench{i}:{name}", "default": "a1_in1k", "tags": ["a1_in1k", "a2_in1k"]}
            for name in names
        }
        header = HEADER.format(api=API, family=f"bench{i}", configs="configs.json", names=" ".join(names), old_names="")
        body = json.dumps({"architectures": rows, "aliases": {}})
        (package / "models.json").write_text(f"{header}\n{body.removeprefix('{')}\n")
        (package / "configs.json").write_text(
            json.dumps({f"{n}.{t}": {"url": f"x/{n}"} for n in names for t in rows[n]["tags"]})
        )
        (package / "__init__.py").write_text(
            "def __getattr__(name):\n    return lambda pretrained=False, **options: name\n"
        )
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: zoo-bench{i}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[zoo_core.models]\nbench{i} = zoo_bench{i}:models.json\n")


def environment(site: Path) -> dict[str, str]:
    """Of a process with `site` on its path, whose bytecode is cached as in any installation."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    cache = site.parent / "bytecode"
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(map(str, (site, CORE, RESNET, ROOT / "tests"))),
        "PYTHONPYCACHEPREFIX": str(cache),
    }


def run(code: str, site: Path) -> None:
    """Run ``python -c code`` with `site` on its path."""
    command = [sys.executable, "-c", code]
    subprocess.run(command, env=environment(site), check=True, stdout=subprocess.DEVNULL)


def warm(program: str, site: Path) -> float:
    """Return the output of a program in a process with `site` on its path."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment(site), check=True, capture_output=True, text=True)
    return float(done.stdout)


def main() -> None:
    """Print a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-timm", action="store_true", help="leave out the comparison with importing timm")
    parser.add_argument("--keep", type=Path, help="generate the environments here, and keep them")
    parser.add_argument("--rounds", type=int, default=9)
    args, report = begin(parser)
    with tempfile.TemporaryDirectory() as temporary:
        root = args.keep or Path(temporary)
        if not (root / "few").exists():
            generate(root)
        measure(report, root, args.rounds, with_timm=not args.no_timm)
    report.write()


def generate(root: Path) -> None:
    """Write a realistic environment and large ones; the smallest and largest have zoo-resnet."""
    add_unrelated(root / "few", 150)
    add_plugins(root / "few", 4, 40)
    for size in SIZES:
        add_plugins(root / str(size), size, 100)
    for site in (root / "few", root / str(SIZES[-1])):
        info = site / "zoo_resnet-0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-resnet\nVersion: 0\n")
        (info / "entry_points.txt").write_text("[zoo_core.models]\nresnet = zoo_resnet:models.json\n")


def measure(report: Report, root: Path, rounds: int, *, with_timm: bool) -> None:
    """The rows of all environments."""
    few, many = root / "few", root / str(SIZES[-1])
    processes = {"python": ("pass", few), "list, 5 plugins among 150 distributions": (LIST, few)}
    processes["import json, for comparison"] = ("import json", few)
    processes |= {f"list, {size} plugins of 100 names": (LIST, root / str(size)) for size in SIZES}
    processes["find and import one of 100,000 names"] = (FIND, many)
    if with_timm:
        processes["timm"] = ("import peers; peers.prepare(); import timm; timm.list_models()", few)
    runs = {what: partial(run, *process) for what, process in processes.items()}
    times = interleave(runs, rounds, warm_up=1, clock=children)
    python, timm = times.pop("python"), times.pop("timm", None)
    for what, took in times.items():
        who = "json" if "json" in what else "zoo"
        report.add(what, {who: took, "python": python}, over="python", target=TARGETS.get(what))
    if timm is not None:
        listing = times["list, 5 plugins among 150 distributions"]
        report.add("list, 5 plugins, against importing timm", {"zoo": listing, "timm": timm}, over="timm", target=50)
    for what, program in (("find one name and get its constructor", RESOLVE), ("create a resnet18", CREATE)):
        sites = {"1000 plugins": many, "5 plugins": few}
        pair = {which: [warm(program, site) for _ in range(min(rounds, 3))] for which, site in sites.items()}
        report.add(f"later, {what}", pair, over="5 plugins")


if __name__ == "__main__":
    main()
