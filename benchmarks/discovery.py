"""The cost of finding models, as a multiple of Python's start: `python benchmarks/discovery.py`.

Every figure is the CPU time (user and system) of a fresh process, the least of several runs, over
that of ``python -c pass`` in the same environment and the same run, so that the machine's speed
cancels out. The environments are generated: plugins that are manifests, and distributions that have
nothing to do with Zoo.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from zoo_core.discovery.manifest import API, HEADER

CORE = Path(__file__).parents[1] / "core" / "src"
ROOT = CORE.parents[1]
RESNET = ROOT / "plugins" / "resnet" / "src"
SIZES = (250, 500, 1000)
LIST = "import zoo_core; zoo_core.list_models()"
FIND = "from zoo_core.registry import *; load_constructor(find_model('bench7net50_w1'))"
TIMED = """
import time, zoo_core
from zoo_core.registry import *
def once():
    start = time.perf_counter(); {what}; return time.perf_counter() - start
list_models(); once()
print(min(once() for _ in range({runs})))
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


def cpu(code: str, site: Path, runs: int = 9) -> float:
    """Return the least CPU seconds of ``python -c code`` in some runs with `site` on the path."""
    seconds = []
    for _ in range(runs + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-c", code]
        subprocess.run(command, env=environment(site), check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(seconds[1:])


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
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = args.keep or Path(temporary)
        if not (root / "few").exists():
            generate(root)
        measure(root, with_timm=not args.no_timm)


def generate(root: Path) -> None:
    """Measure a realistic environment and large ones; the smallest and largest have zoo-resnet."""
    add_unrelated(root / "few", 150)
    add_plugins(root / "few", 4, 40)
    for size in SIZES:
        add_plugins(root / str(size), size, 100)
    for site in (root / "few", root / str(SIZES[-1])):
        info = site / "zoo_resnet-0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-resnet\nVersion: 0\n")
        (info / "entry_points.txt").write_text("[zoo_core.models]\nresnet = zoo_resnet:models.json\n")


def measure(root: Path, *, with_timm: bool) -> None:
    """Run and print."""
    few, many = root / "few", root / str(SIZES[-1])
    start = cpu("pass", few)

    def line(what: str, seconds: float, bound: str = "") -> None:
        print(f"{what:50s} {seconds * 1e3:9.1f} ms {seconds / start:7.1f}  {bound}")

    line("python -c pass", start)
    listing = cpu(LIST, few)
    line("list, 5 plugins among 150 distributions", listing, "at most 2.5")
    line("import json, for comparison", cpu("import json", few))
    for size in SIZES:
        line(f"list, {size} plugins of 100 names", cpu(LIST, root / str(size), 3), "at most 25" * (size == SIZES[-1]))
    line("find and import one of 100,000 names", cpu(FIND, many, 3))
    if with_timm:
        timm = cpu("import peers; peers.prepare(); import timm; timm.list_models()", few, 1)
        line("import timm and list", timm, f"{timm / listing:.0f} times zoo's listing, at least 50")
    print("\nonce the registry is built:")
    for what, program in (("find one name and get its constructor", RESOLVE), ("create a resnet18", CREATE)):
        small, large = warm(program, few), warm(program, many)
        print(f"{what:50s} {small * 1e6:9.1f} us with 5 plugins, {large * 1e6:9.1f} us with {SIZES[-1]}")


if __name__ == "__main__":
    main()
