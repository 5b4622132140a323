"""Run the benchmarks one after the other, and write what the documents say of them.

    make bench              # all: hours
    make bench BENCH=short  # ten minutes: creation, discovery and features in three rounds
    python benchmarks/run.py creation features --rounds 5

Results land in ``docs/benchmarks``; those of a benchmark that is not run stay. Run it on a machine
that does nothing else.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

import page

SHORT = ("creation", "discovery", "features")
SHORT_ROUNDS = 3


def main() -> int:
    """Run and write; 1 when a benchmark failed or missed what it promises."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(page.TITLES)} (default: all)")
    parser.add_argument("--rounds", type=int, help="of each (default: each benchmark's own)")
    parser.add_argument("--short", action="store_true", help=f"{', '.join(SHORT)}, in {SHORT_ROUNDS} rounds")
    args = parser.parse_args()
    if unknown := set(args.names) - set(page.TITLES):
        parser.error(f"unknown {', '.join(sorted(unknown))}; there are {', '.join(page.TITLES)}")
    names = args.names or (SHORT if args.short else page.TITLES)
    rounds = args.rounds or (SHORT_ROUNDS if args.short else None)
    failed = []
    for name in names:
        print(f"\n== {name}", flush=True)
        command = [sys.executable, f"benchmarks/{name}.py", *(["--rounds", str(rounds)] if rounds else [])]
        command += ["--json", str((page.RESULTS / f"{name}.json").relative_to(page.ROOT))]
        if subprocess.run(command, cwd=page.ROOT, check=False).returncode:
            failed.append(name)
    page.main()
    if failed:
        print(f"These ended with an error: {', '.join(failed)}.", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
