"""The release of all packages, as far as a machine can make it: built, checked, and tried alone.

    python tools/release.py [--output dist] [--repository https://forge.example/owner/zoo]
    python tools/release.py --set-version 0.2.0

Builds an sdist and a wheel of every package, checks them with twine and check-wheel-contents, and
installs each wheel into an environment of its own, with nothing of ours beside it but what it
requires. There it imports the package, asks ``zoo doctor``, and classifies with the weights inside.
Needs no network. Uploading is the workflow's, ``.github/workflows/release.yml``.

The addresses of the project are in no file, as the forge knows them: its variables, or
``--repository``, become the wheels' ``project.urls``.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from zoo_kit.conformance import Environment

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = [ROOT / "core", *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
PLACES = [*(package / "pyproject.toml" for package in PACKAGES[1:]), ROOT / "core/src/zoo_core/_version.py"]
"""The files that say the version: one for each package, and the citation."""
PLACES.append(ROOT / "CITATION.cff")
VERSION = re.compile(r'^(version: |version = "|__version__ = ")([\w.]+)', re.MULTILINE)
TRIAL = """
import importlib, sys, zoo_core as zoo, torch
importlib.import_module(sys.argv[1])
for name in zoo.list_pretrained("test_*.digits"):
    assert zoo.create_model(name, pretrained=True).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
"""


def main() -> int:
    """Build, check and try all packages, or set their version."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="the folder of the packages; it is emptied")
    parser.add_argument("--repository", default=forge(), help="the address of the repository, for the metadata")
    parser.add_argument("--set-version", metavar="VERSION", help="write this version everywhere, and do no more")
    args = parser.parse_args()
    if args.set_version:
        set_version(args.set_version)
        return 0
    version = common_version()
    say(f"version {version}; the changelog says: {changelog_entry(version)}")
    if not args.repository:
        say("no repository is known, so that the metadata has no addresses: --repository gives it one")
    shutil.rmtree(args.output, ignore_errors=True)
    for package in PACKAGES:
        say(f"build {package.relative_to(ROOT)}")
        build(package, args.output, args.repository)
    wheels = sorted(args.output.glob("*.whl"))
    say("check the metadata and the contents")
    run("-m", "twine", "check", "--strict", *sorted(args.output.iterdir()))
    # W002: zoo-kit has its licence twice, once for `zoo new` to give to plugins. W004: PyInstaller
    # wants a hyphen in the name of a hook.
    run("-m", "check_wheel_contents", "--ignore", "W002,W004", *wheels)
    with tempfile.TemporaryDirectory() as folder:
        others = packages_of_others(Path(folder) / "others")
        for wheel in wheels:
            say(f"try {wheel.name} alone")
            try_alone(wheel, Path(folder) / wheel.stem, others)
    say(f"{len(wheels)} wheels are ready in {args.output}: commit, tag v{version}, push the tag")
    return 0


def versions() -> dict[Path, str]:
    """What each file of `PLACES` says."""
    return {path: VERSION.findall(path.read_text(encoding="utf-8"))[0][1] for path in PLACES}


def common_version() -> str:
    """The version of all packages; ends the program where they differ."""
    said = versions()
    if len(set(said.values())) != 1:
        lines = (f"{path.relative_to(ROOT)}: {version}" for path, version in said.items())
        sys.exit("\n".join(["the packages have different versions; --set-version gives them one:", *lines]))
    return next(iter(said.values()))


def set_version(version: str) -> None:
    """Write a version into every file of `PLACES`."""
    for path in PLACES:
        text = path.read_text(encoding="utf-8")
        path.write_text(VERSION.sub(rf"\g<1>{version}", text, count=1), encoding="utf-8")


def changelog_entry(version: str) -> str:
    """The heading of a version in the changelog; ends the program if there is none."""
    found = re.search(
        rf"^## {re.escape(version)}\b.*", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    return found[0] if found else sys.exit(f"CHANGELOG.md has no heading '## {version}'")


def forge() -> str:
    """The address of the repository where a workflow of its forge runs this; else empty."""
    server, name = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    return f"{server}/{name}" if server and name else ""


def build(package: Path, output: Path, repository: str) -> None:
    """Build an sdist, and a wheel from that, of a copy whose metadata has the addresses."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / package.name
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "dist"))
        if repository:
            with (copy / "pyproject.toml").open("a", encoding="utf-8") as file:
                file.write(urls(repository))
        run("-m", "build", "--quiet", "--no-isolation", "--outdir", output, copy)


def urls(repository: str) -> str:
    """The table ``project.urls`` of a repository."""
    pages = {
        "Repository": repository,
        "Documentation": f"{repository}/tree/main/docs",
        "Issues": f"{repository}/issues",
        "Changelog": f"{repository}/blob/main/CHANGELOG.md",
    }
    return "\n[project.urls]\n" + "".join(f'{name} = "{address}"\n' for name, address in pages.items())


def packages_of_others(folder: Path) -> Path:
    """Fill a folder with links to all installed packages but ours."""
    folder.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "zoo_" not in entry.name:
            (folder / entry.name).symlink_to(entry)
    return folder


def try_alone(wheel: Path, folder: Path, others: Path) -> None:
    """Install one wheel and what it requires, and use it; ends the program if that fails."""
    environment = Environment(folder, borrowed=[str(others)])
    quiet = ("--quiet", "--disable-pip-version-check", "--no-index", "--find-links", str(wheel.parent))
    module = wheel.name.partition("-")[0]
    steps = [
        ("-m", "pip", "install", *quiet, str(wheel)),
        ("-c", TRIAL, module),
        ("-m", "zoo_core.cli", "doctor"),
    ]
    for step in steps:
        done = environment.run(*step, ZOO_OFFLINE="1")
        if done.returncode:
            sys.exit(f"{wheel.name}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def run(*arguments: object) -> None:
    """Run this Python; end the program if it fails."""
    if code := subprocess.run([sys.executable, *map(str, arguments)], check=False).returncode:
        sys.exit(code)


def say(text: str) -> None:
    """A line of progress."""
    print(f"== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
