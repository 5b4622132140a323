"""What the documents say of speed, from ``docs/benchmarks``: `python benchmarks/page.py`.

Tables go between markers into README.md, docs/benchmarks.md and docs/training.md, and each file of
results gets a picture. No figure is typed by hand: a test compares the documents with the results.
"""

from __future__ import annotations

import json
import math
import re
import textwrap
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from harness import amount

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "benchmarks"
TITLES = {
    "creation": "Creating a model",
    "discovery": "Finding models",
    "features": "Feature maps",
    "bridges": "Models of timm by the bridge",
    "inference": "Inference",
    "inference_avx2": "Inference, on a processor without AVX-512",
    "architectures": "Every architecture, optimised",
    "training": "Training",
    "extract": "Features of many images",
}
SUMMARY = (
    ("a pretrained ResNet-50 from a safetensors file", "creation", "resnet50: pretrained, safetensors", "timm"),
    ("the same, with its first image", "creation", "resnet50: pretrained and first forward", "timm"),
    ("the same in a new process", "creation", "cold process, pretrained resnet50", "timm"),
    ("a ResNet-50 with initial values", "creation", "resnet50: initialised", "timm"),
    ("a list of all models in a new process", "discovery", "list, 5 plugins, against importing timm", "timm"),
    ("two maps of DenseNet-121", "features", "densenet121, (1, 2) maps", "torchvision"),
    ("a training step of ResNet-50", "training", "resnet50: time", "timm"),
    ("ResNet-50 by `zoo_inference.optimize`, one image", "inference", "resnet50, batch 1, 1 thread: auto", "timm"),
)
"""Rows of the README: what they are, and where they come from."""

MOST_BARS = 100
"""Rows of a picture; a table of more is easier to read than its picture."""

PEERS = ("torch", "timm", "torchvision")
BESIDE = {**dict.fromkeys(("inference", "architectures"), ("openvino", "onnxruntime")), "extract": ("transformers",)}
"""Packages whose versions are shown: always, and where they are measured."""

Row = dict[str, Any]
Result = dict[str, Any]


def main() -> None:
    """Write the documents and the pictures."""
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")


def documents() -> dict[Path, str]:
    """The text of every file that shows results, by its path."""
    results = {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name in TITLES
        if (path := RESULTS / f"{name}.json").exists()
    }
    rows = summary(results)
    written = {
        RESULTS / f"{name}.svg": picture(TITLES[name], [(label(row), row) for row in bars])
        for name, result in results.items()
        if (bars := drawn(result))
    }
    written[RESULTS / "summary.svg"] = picture(
        "Zoo and its peers", [(f"{what} / {peer}", row) for what, _, row, peer in rows]
    )
    first = between(ROOT / "README.md", "benchmarks", overview(results, rows))
    page = between(ROOT / "docs" / "benchmarks.md", "benchmarks", "\n".join(map(section, results, results.values())))
    written |= {ROOT / "README.md": first, ROOT / "docs" / "benchmarks.md": page}
    if "training" in results:
        guide = ROOT / "docs" / "training.md"
        written[guide] = between(guide, "memory", switches(results["training"]))
    return written


def between(document: Path, name: str, text: str) -> str:
    """The document with `text` between the markers of that name."""
    marked = rf"(<!-- {name}: .*? -->\n).*?(<!-- /{name} -->)"
    replaced, count = re.subn(
        marked, lambda found: f"{found[1]}\n{text}\n{found[2]}", document.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    if count != 1:
        raise SystemExit(f"{document.name} needs one pair of markers <!-- {name}: ... --> and <!-- /{name} -->.")
    return replaced


def summary(results: dict[str, Result]) -> list[tuple[str, str, Row, str]]:
    """The rows of the README that were measured."""
    return [
        (what, name, row, peer)
        for what, name, wanted, peer in SUMMARY
        for row in results.get(name, {"rows": []})["rows"]
        if row["what"] == wanted and last(row) == peer and next(iter(row["values"])) in ("zoo", "auto")
    ]


def overview(results: dict[str, Result], rows: list[tuple[str, str, Row, str]]) -> str:
    """The README's table: its link to the results is the ratio."""
    lines = [
        (
            what,
            shown(row, 0),
            f"{peer} {shown(row, 1)}",
            f"[{times(row['ratio']['median'])}](docs/benchmarks/{name}.json)",
        )
        for what, name, row, peer in rows
    ]
    alike: dict[str, Result] = {}
    for _, name, row, _ in rows:
        where = json.dumps([results[name][key] for key in ("date", "machine", "versions")])
        alike.setdefault(where, {**results[name], "rows": []})["rows"].append(row)
    used = "\n".join(map(setup, alike.values()))
    return f"{table(('what', 'Zoo', 'beside', 'times less'), lines)}\n{used}\n"


def section(name: str, result: Result) -> str:
    """The part of the page about one benchmark."""
    rows = [
        (
            row["what"],
            f"{next(iter(row['values']))} {shown(row, 0)}",
            f"{last(row)} {shown(row, 1)}",
            f"[{times(row['ratio']['median'])}](benchmarks/{name}.json)",
            f"{times(row['ratio']['low'])} to {times(row['ratio']['high'])}" if row["rounds"] > 1 else "",
            f"{times(row['target'])}, {'met' if row['ratio']['median'] >= row['target'] else 'missed'}"
            if row["target"]
            else "",
        )
        for row in result["rows"]
    ]
    return "\n".join(
        [
            f"## {TITLES[name]}\n",
            f"```sh\n{result['command']}\n```\n",
            f"{setup(result)}\nAll figures: [{name}.json](benchmarks/{name}.json).\n",
            f"![{TITLES[name]}: how many times less it takes](benchmarks/{name}.svg)\n" if drawn(result) else "",
            table(("what", "first", "beside", "times less", "half of the rounds", "target"), rows),
        ]
    )


def switches(result: Result) -> str:
    """The table of the training guide: a switch over the plain network, so inverse ratios."""
    found: dict[str, dict[str, Row]] = {}
    for row in result["rows"]:
        if last(row) == "plain":
            what, _, which = row["what"].rpartition(": ")
            found.setdefault(what, {})[which] = row
    lines = []
    for what, both in found.items():
        cells = [f"{1 / both['bytes']['ratio']['median']:.2f}"]
        if (row := both.get("time")) is not None:
            ratio = row["ratio"]
            cells.append(f"{1 / ratio['median']:.2f} ({1 / ratio['high']:.2f} to {1 / ratio['low']:.2f})")
        promised = [f"{which} <= {1 / row['target']:.2f}" for which, row in both.items() if row["target"]]
        lines.append((what, *cells, ", ".join(promised)))
    return f"{table(('switch', 'bytes', 'time', 'promised'), lines)}\n`{result['command']}`\n\n{setup(result)}\n"


def setup(result: Result) -> str:
    """Where and with what it was measured, as a sentence."""
    machine, rounds = result["machine"], sorted({row["rounds"] for row in result["rows"]})
    beside = [one for name, more in BESIDE.items() if f"/{name}.py" in result["command"] for one in more]
    packages = [f"{name} {result['versions'][name]}" for name in (*PEERS, *beside) if name in result["versions"]]
    place = f"{machine['cpu']}, {machine['cores']} core{'s' * (machine['cores'] > 1)}, {machine['system']}"
    turns = "1 round" if rounds == [1] else f"{' to '.join(map(str, dict.fromkeys((rounds[0], rounds[-1]))))} rounds"
    packages.insert(0, f"Python {result['versions']['python']}")
    sentence = f"Measured on {result['date']} in {turns}: {place}, {', '.join(packages)}."
    return textwrap.fill(sentence, 120, break_on_hyphens=False)


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def last(row: Row) -> str:
    """The contestant beside which the first is measured."""
    return list(row["values"])[-1]


def drawn(result: Result) -> list[Row]:
    """The rows that a picture has: of many those with a target, and of very many none."""
    rows: list[Row] = result["rows"]
    if len(rows) > MOST_BARS:
        rows = [row for row in rows if row["target"]]
    return rows if len(rows) <= MOST_BARS else []


def label(row: Row) -> str:
    """A row in few words: with both contestants, where it is not Zoo's."""
    first = next(iter(row["values"]))
    known = first == "zoo" or row["what"].endswith(f": {first}")
    return f"{row['what']} / {last(row)}" if known else f"{row['what']}, {first} / {last(row)}"


def shown(row: Row, which: int) -> str:
    """The median of a contestant."""
    return amount(list(row["values"].values())[which]["median"], row["unit"])


def times(ratio: float) -> str:
    """A ratio in three figures at most."""
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.3g}"


GREY, BETTER, WORSE = "#7f7f7f", "#2a9d8f", "#d1762f"
"""Colours that can be read on white and on black."""
LABELS, WIDTH, LINE = 420, 400, 22
"""Pixels of the labels, of the bars, and of a line."""
TICKS = (0.01, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000, 10_000)


def picture(title: str, rows: list[tuple[str, Row]]) -> str:
    """An SVG of bars, one per row, on a logarithmic scale: how many times less the first takes."""
    ratios = [row["ratio"][which] for _, row in rows for which in ("median", "low", "high")] or [1.0]
    low, high = (math.log(min(0.5, *ratios)), math.log(max(2.0, *ratios)))
    height = LINE * (len(rows) + 2)

    def x(ratio: float) -> float:
        return LABELS + WIDTH * (math.log(ratio) - low) / (high - low)

    def text(x: float, y: float, words: str, anchor: str) -> str:
        return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LABELS + WIDTH + 60} {height}" role="img"'
        f' font-family="sans-serif" font-size="13" fill="{GREY}">',
        f"<title>{escape(title)}: how many times less time or memory it takes</title>",
    ]
    for tick in TICKS:
        if low <= math.log(tick) <= high:
            wide = 1.5 if tick == 1 else 0.4
            line = f'x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="4" y2="{height - LINE * 1.4:.1f}"'
            parts.append(f'<line {line} stroke="{GREY}" stroke-width="{wide}"/>')
            parts.append(text(x(tick), height - LINE * 0.6, f"{tick:g}", "middle"))
    for number, (words, row) in enumerate(rows):
        middle, ratio = LINE * (number + 0.6), row["ratio"]
        left, right = sorted((x(1), x(ratio["median"])))
        colour = BETTER if ratio["median"] >= 1 else WORSE
        bar = f'x="{left:.1f}" y="{middle - 6:.1f}" width="{right - left:.1f}" height="12" rx="2"'
        parts.append(f'<rect {bar} fill="{colour}"/>')
        if row["rounds"] > 1:
            line = f'x1="{x(ratio["low"]):.1f}" x2="{x(ratio["high"]):.1f}" y1="{middle:.1f}" y2="{middle:.1f}"'
            parts.append(f'<line {line} stroke="{GREY}" stroke-width="2"/>')
        parts.append(text(LABELS - 8, middle + 4.5, words.replace("`", ""), "end"))
        parts.append(text(max(right, x(ratio["high"])) + 6, middle + 4.5, times(ratio["median"]), "start"))
    return "\n".join([*parts, "</svg>\n"])


if __name__ == "__main__":
    main()
