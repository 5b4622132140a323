"""The table of feature maps against timm's: `python tests/feature_table.py --write
docs/feature-parity.md`.

Needs the peers (see constraints.txt). Every architecture of every installed plugin, most of an hour
in one thread;
`--results FILE` keeps what is done, and a second run goes on from there.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import peers
import torch
import zoo_core as zoo
from feature_parity import CHANNELS, SIZES, STRIDES, WRAPPERS, Tally, compare, counterpart
from tqdm import tqdm

PAGE = """\
# Feature maps against timm's

Every architecture of the four families as a feature extractor, beside timm {timm} on the same weights: {architectures}
architectures, {compared:,} feature maps compared bit for bit, **{equal:,} equal, {differing:,} not**. Written by
`python tests/feature_table.py --write docs/feature-parity.md` with torch {torch} on a CPU, one thread;
`tests/parity/test_features_parity.py` holds a sample of it in every run of the tests.

## How it was made

For each architecture, each `output_stride` ({strides}) and each `in_chans` ({channels}), timm's own extractor of all
maps is created once, by the wrapper that is timm's default there. Its norms get random scales, shifts and running
statistics, so that every layer has an effect, and our extractor gets its weights. Then each of our wrappers
({wrappers}) runs on the same images, and `torch.equal` compares each map with timm's,
which must be finite. The comparison covers:

- all maps, in eval mode, on images of {sizes} pixels (the first size alone where
  `in_chans` is not 3);
- all maps in train mode, batch of two, and the running statistics that the forward leaves behind;
- `out_indices`: each index alone, all in reverse, two unsorted, two with a negative one, and an int (at the full output
  stride alone, as dilation does not affect the choice of maps);
- `feature_info` each time: channels, reduction and module name of every map, in the order of the maps.

The table counts maps. A note reports a difference in anything else.

## Where timm has no counterpart

- **Order.** timm yields maps in ascending order, but lists them in `feature_info` in the order of `out_indices`. Here
  both have the order of `out_indices`; each map is compared with timm's map of the same index.
- **`output_stride`** is an option of the ResNets, the aligned Xceptions and the CSPNets. The DenseNets and the first
  Xception have no such option, here or in timm: both raise an error, and nothing is compared.
- **Sizes.** If timm's network cannot take images of a size (its average-pooled halves differ for an odd one), ours must
  fail too, and the next multiples of 32 are compared instead.
- **In-place norms.** timm no longer has `*_iabn`. These norms scale by |gamma| + eps and end in a leaky ReLU. So timm's
  network of the same shape, with that activation and that sum as its gamma, must yield the same maps.
- **Ours alone.** Other architectures without a name in timm are compared with timm's nearest, with the options that
  make it the same network; the notes name it. Two test networks have no counterpart in timm: their wrappers are
  compared with plain hooks on their whole network.

| architecture | maps compared | equal | differing | note |
|---|--:|--:|--:|---|
{rows}
"""


def main() -> None:
    """Compare, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="architectures, or patterns of them")
    parser.add_argument("--results", type=Path, help="a file of lines of JSON, one per architecture done")
    parser.add_argument("--write", type=Path, help="the page; by default it is printed")
    args = parser.parse_args()
    peers.prepare()
    torch.set_num_threads(1)
    names = [name for pattern in args.only or ["*"] for name in zoo.list_models(pattern, module=peers.FAMILIES)]
    tallies = read(args.results) if args.results else {}
    progress = tqdm([name for name in names if name not in tallies])
    for name in progress:
        progress.set_description(name)
        tallies[name] = compare(name)
        if args.results:
            with args.results.open("a") as file:
                file.write(json.dumps({"name": name, **asdict(tallies[name])}) + "\n")
    page = render({name: tallies[name] for name in names})
    if args.write:
        args.write.write_text(page)
    else:
        print(page)


def read(path: Path) -> dict[str, Tally]:
    """Architecture to its tally."""
    lines = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
    return {line.pop("name"): Tally(**line) for line in lines}


def render(tallies: dict[str, Tally]) -> str:
    """The page."""
    compared = sum(tally.compared for tally in tallies.values())
    differing = sum(tally.differing for tally in tallies.values())
    rows = (
        f"| `{name}` | {t.compared:,} | {t.compared - t.differing:,} | {t.differing:,} | {note(name, t)} |"
        for name, t in tallies.items()
    )
    facts = {
        "compared": compared,
        "equal": compared - differing,
        "differing": differing,
        "timm": version("timm"),
        "torch": torch.__version__.partition("+")[0],
        "architectures": len(tallies),
        "strides": listing(STRIDES),
        "channels": listing(sorted(CHANNELS)),
        "sizes": listing(f"{height} x {width}" for height, width in SIZES),
        "wrappers": listing(WRAPPERS),
    }
    return PAGE.format(rows="\n".join(rows), **facts)


def note(name: str, tally: Tally) -> str:
    """What the numbers do not say."""
    notes = []
    if (network := counterpart(name)) is None:
        notes.append("not in timm: hooks on the whole network")
    elif network.name != name:
        options = "".join(f", `{key}={value!r}`" for key, value in network.options.items())
        shifted = ", with shifted scales" if network.scales_are_shifted else ""
        notes.append(f"timm's `{network.name}`{options}{shifted}")
    neither = {where.split(", ")[-2] for where, theirs, ours in tally.refused if theirs and ours and " x " in where}
    if neither:
        notes.append(f"no maps of {listing(sorted(neither))}, as in timm")
    if any("output_stride" in theirs and "output_stride" in ours for _, theirs, ours in tally.refused):
        notes.append("no `output_stride`, as in timm")
    for where, theirs, ours in tally.refused:
        if not (theirs and ours):
            notes.append(f"{where}: timm: {theirs or 'runs'}; here: {ours or 'runs'}")
    return "; ".join([*notes, *tally.different])


def listing(items: Any) -> str:
    """Items in prose."""
    *most, last = map(str, items)
    return f"{', '.join(most)} and {last}" if most else last


if __name__ == "__main__":
    main()
