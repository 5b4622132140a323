"""Run timm's own ``tests/test_models.py`` with Zoo in timm's place, and count.

    python plugins/compat/tools/timm_suite.py suite.jsonl   # two hours; goes on where it stopped
    python plugins/compat/tools/timm_suite.py suite.jsonl --models resnet18 test_cspnet

The architectures are those of the families in this repository below 100 million parameters. The
tests come from timm's source distribution, and nothing is shimmed. One line of JSON for each test:
its name, its outcome, its seconds, and what a test that did not pass said.
"""

from __future__ import annotations

import argparse
import inspect
import subprocess
import sys
import tarfile
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import zoo_compat
import zoo_core as zoo

sys.path.insert(0, str(Path(__file__).parents[3] / "tests"))

import peers
from outcomes import Outcomes, read

TIMM = "1.0.31"
FAMILIES = ("resnet", "densenet", "xception", "legacy_xception", "cspnet")
PACKAGES = ("zoo-resnet", "zoo-densenet", "zoo-xception", "zoo-cspnet")
LARGEST = 100e6
# These download weights, which a test run has no business to do.
OF_THE_NETWORK = ("test_model_inference", "test_model_load_pretrained", "test_model_features_pretrained")
NAMED = ("passed", "not applicable", "failed")


def main() -> int:
    """Run what the file does not have yet, print the counts, and return 1 for a failed test."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--models", nargs="*", help="architectures; all where none is named")
    parser.add_argument("--tests", default="", help="of these names alone, as pytest's -k takes them")
    parser.add_argument("--source", type=Path, help="timm's source, unpacked; fetched where it is not given")
    args = parser.parse_args()
    file: Path = args.file
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.source or fetched(Path(temporary))
        run(folder, Suite(args.models or architectures(), file), args.tests)
    outcomes = read(file)
    counts = Counter(outcome["outcome"] for outcome in outcomes.values())
    print("\n".join(f"{counts[name]:6} {name}" for name in NAMED))
    for name, outcome in outcomes.items():
        if outcome["outcome"] == "failed":
            print(f"{name}: {outcome['said']}")
    return int(bool(counts["failed"]))


def architectures() -> list[str]:
    """Return the architectures of our families, the cheapest first."""
    names = {zoo.get_arch_name(name) for name in zoo.list_models(family=FAMILIES)}
    ours = [each for each in map(zoo.describe, names) if each.distribution in PACKAGES and each.parameters < LARGEST]
    return [each.architecture for each in sorted(ours, key=lambda each: each.macs or 0)]


class DownloadError(Exception):
    """timm's source cannot be had."""


def fetched(folder: Path) -> Path:
    """Fetch timm's source, which alone has its tests."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    done = subprocess.run(
        [*command, "--dest", str(folder), f"timm=={TIMM}"], capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        raise DownloadError(f"the source of timm {TIMM} cannot be had: {done.stderr.strip().splitlines()[-1][:200]}")
    with tarfile.open(folder / f"timm-{TIMM}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / f"timm-{TIMM}"


class Suite(Outcomes):
    """A plugin of pytest: chooses the tests of some architectures, and writes how each ends."""

    def __init__(self, models: list[str], file: Path) -> None:
        super().__init__(file, skipped="not applicable")
        self.order = {name: place for place, name in enumerate(models)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests of our architectures, one architecture after another."""
        places = {item: self.place(item) for item in items}
        items[:] = sorted((item for item in items if places[item] is not None), key=lambda item: places[item] or 0)
        items[:] = [item for item in items if item.name not in self.done]

    def place(self, item: Any) -> int | None:
        """Return the place of a test's architecture; None for a test of others."""
        if (callspec := getattr(item, "callspec", None)) and (name := callspec.params.get("model_name")):
            return self.order.get(zoo.get_arch_name(name))
        source = inspect.getsource(item.function)
        return next((place for name, place in self.order.items() if f"'{name}'" in source), None)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Pass over what needs the network."""
        if item.name.startswith(OF_THE_NETWORK):
            pytest.skip("downloads weights")


def run(folder: Path, suite: Suite, tests: str = "") -> None:
    """Run the tests in `folder`; every import of timm in this process is Zoo's."""
    torch.set_num_threads(1)
    peers.prepare()
    zoo_compat.install()
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        "-c",
        "/dev/null",
        "--tb=no",
        "-W",
        "ignore",
        "-k",
        tests,
    ]
    warnings.simplefilter("ignore")
    pytest.main([*options, "--rootdir", str(folder), str(folder / "tests" / "test_models.py")], plugins=[suite])


if __name__ == "__main__":
    sys.exit(main())
