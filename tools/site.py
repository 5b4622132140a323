"""The pages of the documents' site, which ``make docs`` then builds: ``build/site`` from ``docs/``.

    python tools/site.py

Documents are taken as they are, with the README as the first page; links out of ``docs/`` lead to
the pages made here. The reference has the public names of each package, and there is a page for
each family, for each architecture of Zoo's own packages and for each bridge, from the manifests
alone. Zensical builds the folder as well, from the same ``mkdocs.yml``.
"""

from __future__ import annotations

import importlib
import re
import shutil
from itertools import groupby
from pathlib import Path

import zoo_core as zoo
from zoo_core.cli.output import format_bytes
from zoo_core.description import Description, in_percent, short
from zoo_core.registry import find_model

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "build/site"
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
}
"""Documents outside ``docs/`` to the pages that they become."""
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#:]+)(#[^)]*)?\)")
PICTURE = re.compile(r"(!\[[^\]]*\]\()docs/")
PARITY = re.compile(r"^\| `(\w+)` \| (.*) \|$", re.MULTILINE)
FENCE = re.compile(r"^(```\w+) (\S+)$", re.MULTILINE)
PACKAGES = {
    "zoo_core": "Models by name, their weights and their feature maps.",
    "zoo_core.layers": "Layers that families share. Part of the plugin API.",
    "zoo_core.hooks.specs": "The hooks that plugins implement. Part of the plugin API.",
    "zoo_images": "Image files.",
    "zoo_inference": "The fastest way to run a model.",
    "zoo_training": "Training on many devices.",
    "zoo_compat": "Zoo under timm's names.",
}
"""A page of the reference each: its module, and what it is about."""


def main() -> None:
    """Write the folder anew."""
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SITE)
    for page in SITE.glob("*.md"):
        page.write_text(relinked(page.read_text(encoding="utf-8"), ROOT / "docs"), encoding="utf-8")
    for document, page in PAGES.items():
        text = PICTURE.sub(r"\1", (ROOT / document).read_text(encoding="utf-8"))
        (SITE / page).write_text(relinked(text, ROOT), encoding="utf-8")
    for module, about in PACKAGES.items():
        write(f"reference/{module}.md", reference(module, about))
    families = {name: zoo.describe(zoo.list_models(family=name)) for name in zoo.list_families()}
    bridges: dict[str, list[Description]] = {}
    parity = dict(PARITY.findall((ROOT / "docs/feature-parity.md").read_text(encoding="utf-8")))
    for one in (each for architectures in families.values() for each in architectures):
        if find_model(one.name).manifest.bridge:
            bridges.setdefault(one.distribution, []).append(one)
        else:
            write(f"architectures/{one.architecture}.md", architecture(one, parity.get(one.architecture)))
    write("families/index.md", overview(families, bridges))
    for name, architectures in families.items():
        own = [one for one in architectures if one not in bridges.get(one.distribution, [])]
        write(f"families/{name}.md", family(name, architectures, {one.name for one in own}))
    for name, architectures in bridges.items():
        write(f"families/{name}.md", bridge(name, architectures))


def write(page: str, text: str) -> None:
    """Write a page that is made here."""
    path = SITE / page
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def relinked(text: str, folder: Path) -> str:
    """Turn the links of a document in `folder` into those of its page; of what has none, names.

    The names of programs after ``python`` become titles, as Markdown of sites has them.
    """

    def link(match: re.Match[str]) -> str:
        words, target, part = match[1], (folder / match[2]).resolve(), match[3] or ""
        if target.is_relative_to(ROOT / "docs") and target.is_file():
            return f"[{words}]({target.relative_to(ROOT / 'docs')}{part})"
        page = PAGES.get(str(target.relative_to(ROOT)))
        return f"[{words}]({page}{part})" if page else f"`{words}`"

    return LINK.sub(link, FENCE.sub(r'\g<1> title="\g<2>"', text))


def reference(module: str, about: str) -> str:
    """The page of a module's public names; mkdocstrings fills it in."""
    found = importlib.import_module(module)
    names = getattr(found, "__all__", None) or [name for name in vars(found) if name.startswith("zoo_")]
    blocks = [f"::: {module}.{name}\n" for name in names if not name.startswith("__")]
    return "\n".join([f"# {module}\n", f"{about}\n", *blocks])


def overview(families: dict[str, list[Description]], bridges: dict[str, list[Description]]) -> str:
    """The table of all families, and links to the bridges."""
    rows = [
        (
            f"[{name}]({name}.md)",
            str(len(all_)),
            ", ".join(sorted({f"`{one.distribution}`" for one in all_})),
            size(all_),
        )
        for name, all_ in families.items()
    ]
    count = sum(map(len, families.values()))
    about = f"{count:,} architectures of {len(families)} families, of Zoo's own packages and of its bridges."
    links = ", ".join(f"[{name}]({name}.md)" for name in bridges)
    rows_of_all = table(("family", "architectures", "package", "parameters"), rows)
    return f"# Families\n\n{about} All of a bridge on one page: {links}.\n\n{rows_of_all}"


def size(architectures: list[Description]) -> str:
    """The least and the greatest count of parameters."""
    known = sorted(one.parameters for one in architectures if one.parameters is not None)
    return " to ".join(dict.fromkeys(map(short, (known[0], known[-1])))) if known else ""


def family(name: str, architectures: list[Description], own: set[str]) -> str:
    """The page of a family: its architectures, linked if in `own`, and all weights of them."""
    packages = sorted({one.distribution for one in architectures})
    results = [row for each in architectures for row in weights(each)]
    facts = [
        (
            f"[`{one.architecture}`](../architectures/{one.architecture}.md)" if one.name in own else code(one),
            *costs(one),
        )
        for one in architectures
    ]
    parts = [
        f"# {name}\n\n`pip install {' '.join(packages)}`\n",
        "## Architectures\n\nParameters, multiply-adds at the default image size, and channels/stride of each map.\n",
        table(("architecture", "params", "macs", "maps"), facts),
    ]
    if results:
        parts += [
            f"## Weights\n\n{OF_WEIGHTS}\n",
            table(WEIGHTS, results),
        ]
    return "\n".join(parts)


WEIGHTS = ("weights", "top-1", "at", "size", "licence", "group")
OF_WEIGHTS = "The best ImageNet-1k top-1 that was measured, and the image size that it is of."


def weights(one: Description) -> list[tuple[str, ...]]:
    """The rows of an architecture's weights, one for each tag that has some."""
    return [
        (
            f"`{each.name}`",
            in_percent(each.top1),
            str(each.best.image_size) if each.best else "",
            format_bytes(each.bytes) if each.bytes else "",
            each.license or "not stated",
            each.license_group,
        )
        for each in zoo.describe([f"{one.name.partition('.')[0]}.{tag}" for tag in one.tags])
        if each.has_weights
    ]


def code(one: Description) -> str:
    """The name of an architecture, qualified where it is ambiguous."""
    return f"`{one.name.partition('.')[0]}`"


def costs(one: Description) -> tuple[str, str, str]:
    """Parameters, multiply-adds and maps in words; maps that are alike are counted."""
    alike = [(maps, len(list(group))) for maps, group in groupby(one.shown_maps.split(" "))]
    shown = " ".join(f"{count} x {maps}" if count > 1 else maps for maps, count in alike)
    return short(one.parameters), short(one.macs), shown


def architecture(one: Description, parity: str | None) -> str:
    """The page of an architecture of Zoo's own packages."""
    size = " x ".join(map(str, one.input_size or ()))
    facts = [
        ("family", f"[{one.family}](../families/{one.family}.md)"),
        ("package", f"`{one.distribution}`"),
        ("parameters", f"{one.parameters:,}" if one.parameters else ""),
        ("multiply-adds", f"{short(one.macs)} at {size}" if one.macs else ""),
        ("activations", f"{short(one.activations)} at {size}" if one.activations else ""),
        ("other sizes of image", "no" if one.fixed_input_size else "yes"),
        ("tags", ", ".join(f"`{tag}`" for tag in one.tags)),
        ("paper", ", ".join(one.paper)),
        ("parity with timm", _parity(parity)),
    ]
    maps = [
        (str(index), f"`{module}`", str(channels), str(reduction), layout)
        for index, (module, channels, reduction, layout) in enumerate(
            zip(one.modules, one.channels, one.reductions, one.layouts, strict=True)
        )
    ]
    options = "" if weights(one) else ", pretrained=False"
    parts = [
        f"# {one.architecture}\n",
        f"```python\nimport zoo_core as zoo\n\n"
        f'net = zoo.create_model("{one.architecture}"{options or ", pretrained=True"})\n```\n',
        table(("property", "value"), [row for row in facts if row[1]]),
        "## Feature maps\n\nChannels, and input size over map size.\n",
        table(("map", "module", "channels", "reduction", "layout"), maps),
    ]
    if rows := weights(one):
        parts += [f"## Weights\n\n{OF_WEIGHTS}\n", table(WEIGHTS, rows)]
    return "\n".join(parts)


def _parity(row: str | None) -> str:
    """A row of docs/feature-parity.md in words."""
    if row is None:
        return ""
    compared, equal, differing, note = (cell.strip() for cell in row.split(" | "))
    beside = f"; {note}" if note else ""
    count = f"all {equal}" if differing == "0" else f"{equal} of {compared}"
    return f"{count} feature maps equal, bit for bit{beside} ([how](../feature-parity.md))"


def bridge(name: str, architectures: list[Description]) -> str:
    """The page of a bridge: all its architectures."""
    rows = [
        (code(one), f"[{one.family}]({one.family}.md)", *costs(one), str(len(one.tags)), one.license or "not stated")
        for one in architectures
    ]
    about = f"{len(rows):,} architectures, whose weights are on the pages of their families."
    columns = ("architecture", "family", "params", "macs", "maps", "tags", "licence")
    return f"# {name}\n\n`pip install {name}`\n\n{about}\n\n{table(columns, rows)}"


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
