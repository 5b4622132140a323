"""The pages of the documents' site, which ``make docs`` then builds: ``build/site`` from ``docs/``.

    python tools/site.py

Documents are taken as they are, with the README as the first page; links out of ``docs/`` lead to
the pages made here. The reference has the public names of each package, and there is a page for
each family, from the manifests alone. Any other generator of sites can build the folder as well.
"""

from __future__ import annotations

import importlib
import re
import shutil
from pathlib import Path

import zoo_core as zoo
from zoo_core.description import Description, in_percent, short

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
        text = (ROOT / document).read_text(encoding="utf-8").replace("](docs/pictures/", "](pictures/")
        (SITE / page).write_text(relinked(text, ROOT), encoding="utf-8")
    for module, about in PACKAGES.items():
        write(f"reference/{module}.md", reference(module, about))
    families = {name: zoo.describe(zoo.list_models(family=name)) for name in zoo.list_families()}
    write("families/index.md", overview(families))
    for name, architectures in families.items():
        write(f"families/{name}.md", family(name, architectures))


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
        if target.parent == ROOT / "docs" and target.is_file():
            return f"[{words}]({target.name}{part})"
        page = PAGES.get(str(target.relative_to(ROOT)))
        return f"[{words}]({page}{part})" if page else f"`{words}`"

    return LINK.sub(link, FENCE.sub(r'\g<1> title="\g<2>"', text))


def reference(module: str, about: str) -> str:
    """The page of a module's public names; mkdocstrings fills it in."""
    found = importlib.import_module(module)
    names = getattr(found, "__all__", None) or [name for name in vars(found) if name.startswith("zoo_")]
    blocks = [f"::: {module}.{name}\n" for name in names if not name.startswith("__")]
    return "\n".join([f"# {module}\n", f"{about}\n", *blocks])


def overview(families: dict[str, list[Description]]) -> str:
    """The table of all families."""
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
    return f"# Families\n\n{about}\n\n{table(('family', 'architectures', 'package', 'parameters'), rows)}"


def size(architectures: list[Description]) -> str:
    """The least and the greatest count of parameters."""
    known = sorted(one.parameters for one in architectures if one.parameters is not None)
    return " to ".join(dict.fromkeys(map(short, (known[0], known[-1])))) if known else ""


def family(name: str, architectures: list[Description]) -> str:
    """The page of a family: its architectures, and all weights of them."""
    packages = sorted({one.distribution for one in architectures})
    weights = [
        one
        for each in architectures
        for one in zoo.describe([f"{each.name.partition('.')[0]}.{tag}" for tag in each.tags])
        if one.has_weights
    ]
    facts = [
        (f"`{one.name.partition('.')[0]}`", short(one.parameters), short(one.macs), one.shown_maps)
        for one in architectures
    ]
    results = [
        (
            f"`{one.name}`",
            in_percent(one.top1),
            str(one.best.image_size) if one.best else "",
            one.license or "not stated",
            one.license_group,
        )
        for one in weights
    ]
    parts = [
        f"# {name}\n\n`pip install {' '.join(packages)}`\n",
        "## Architectures\n\nParameters, multiply-adds at the default image size, and channels/stride of each map.\n",
        table(("architecture", "params", "macs", "maps"), facts),
    ]
    if results:
        parts += [
            "## Weights\n\nThe best ImageNet-1k top-1 that was measured, and the image size that it is of.\n",
            table(("weights", "top-1", "at", "licence", "group"), results),
        ]
    return "\n".join(parts)


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
