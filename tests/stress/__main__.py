"""Run every kind of trial, and write what came of it into docs/security.md.

::

    python -m stress --files 100000 --names 2000 --transfers 875 --commands 1000 --rounds 10000 \\
        --images 5000 --interrupts 105 --plugins 100 --disks 1000 --clocks 500 --proxies 500
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from importlib import import_module
from pathlib import Path

from stress.tally import Tally

DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"
BEGIN, END = "<!-- written by `make stress` -->", "<!-- end -->"
PLACES = ("disks", "clocks", "proxies")
KINDS = ("names", "commands", "transfers", *PLACES, "plugins", "interrupts", "images", "rounds", "files")
AT_ONCE = 10_000
"""Trials of one process; what a run that is broken off has done is in the document, and in its
`--state`."""


def trials(kind: str, count: int, seed: int) -> tuple[list[Tally], list[str]]:
    """Run one kind; return its tallies, and for transfers the matrix."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "transfers":
            from stress import transfers

            tallies, table = transfers.run(count, seed)
            return tallies, transfers.matrix(table)
        if kind == "rounds":
            from stress import load

            return load.run(count), []
        if kind in PLACES:
            from stress import places

            return places.run(kind, count, Path(folder), seed), []
        return import_module(f"stress.{kind}").run(count, Path(folder), seed), []


def main() -> int:
    """Returns 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="into docs/security.md")
    parser.add_argument("--state", type=Path, metavar="FILE", help="of a run that was broken off: go on with it")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.into:  # in a process of its own, as each kind limits, watches and patches its process
        (kind,) = (kind for kind in KINDS if getattr(args, kind))
        tallies, lines = trials(kind, getattr(args, kind), args.seed)
        rows = [[each.promise, each.unit, each.outcomes, each.failures] for each in tallies]
        args.into.write_text(json.dumps([rows, lines]))
        return 0
    known = json.loads(args.state.read_text()) if args.state and args.state.exists() else {}
    tallies: dict[str, Tally] = {}
    matrix: list[str] = []
    for kind in KINDS:
        for done in range(0, getattr(args, kind), AT_ONCE):
            count, seed = min(AT_ONCE, getattr(args, kind) - done), args.seed + done
            part = f"{kind} {count} from {seed}"
            if part not in known:
                with tempfile.NamedTemporaryFile() as answer:
                    command = [sys.executable, "-W", "ignore", "-m", "stress", f"--{kind}", str(count)]
                    subprocess.run([*command, "--seed", str(seed), "--into", answer.name], check=True)
                    known[part] = json.loads(Path(answer.name).read_text())
                if args.state:
                    args.state.write_text(json.dumps(known))
            rows, lines = known[part]
            for promise, unit, outcomes, failures in rows:
                tally = tallies.setdefault(promise, Tally(promise, unit))
                tally.outcomes += Counter(outcomes)
                tally.failures += failures
                tally.show()
            matrix += lines
            if args.write:
                write([*tallies.values()], matrix)
    print("\n".join(matrix))
    return int(any(each.failures for each in tallies.values()))


def write(tallies: list[Tally], matrix: list[str]) -> None:
    """Replace what the last run wrote of these promises, and the matrix if there is one."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    written, _, after = rest.partition(END)
    old, _, old_matrix = written.partition("\n| fault ")
    rows = {line.split(" | ")[0]: line for line in old.splitlines()[3:] if line.startswith("| ")}
    rows |= {line.split(" | ")[0]: line for line in (each.row() for each in tallies)}
    rows.pop("| promise", None)
    table = ["| promise | tried | survived | how they ended |", "|---|---|---|---|", *rows.values()]
    kept = f"| fault {old_matrix}".strip().splitlines() if old_matrix else []
    lines = [BEGIN, "", *table, "", *(matrix or kept), "", END]
    DOCUMENT.write_text(f"{before}{chr(10).join(lines)}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
