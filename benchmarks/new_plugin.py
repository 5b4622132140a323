"""The time from nothing to a conforming, installed plugin, in at most three commands.

    python benchmarks/new_plugin.py

Makes an environment that borrows this one's packages, runs the commands there, and prints what each
took. Time that pip would need to download torch is not in it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from zoo_core.registry import current_index
from zoo_kit.conformance.environment import Environment

COMMANDS = ("zoo new acme", "pip install --editable zoo-acme", "zoo check zoo-acme")
SCRIPTS = {"zoo": "zoo_core.cli.main:main", "pip": "pip._internal.cli.main:main"}


def main() -> int:
    """Run the commands, and print one line for each; 1 when one fails."""
    others = {entry.distribution for entry in current_index().scan.entry_points} - {"zoo-kit"}
    total = 0.0
    with tempfile.TemporaryDirectory() as folder:
        environment = Environment(Path(folder) / "venv", SCRIPTS)
        variables = environment.variables(
            ZOO_DISABLE_PLUGINS=",".join(others), PIP_NO_INDEX="1", PIP_NO_BUILD_ISOLATION="0"
        )
        for command in COMMANDS:
            start = time.perf_counter()
            done = subprocess.run(
                command.split(), cwd=folder, env=variables, capture_output=True, text=True, check=False
            )
            seconds = time.perf_counter() - start
            total += seconds
            print(f"{seconds:6.1f} s  {command}")
            if done.returncode:
                print(done.stdout + done.stderr, file=sys.stderr)
                return 1
        print(done.stdout.splitlines()[-1])
    print(f"{total:6.1f} s  from nothing to a conforming installed plugin, in {len(COMMANDS)} commands")
    return 0


if __name__ == "__main__":
    sys.exit(main())
