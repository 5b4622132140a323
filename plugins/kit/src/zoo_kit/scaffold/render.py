"""The files of a plugin, from ``templates/``, where each has its path in the plugin."""

from __future__ import annotations

from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

SUFFIX = ".tmpl"
"""The suffix of templates, which keeps tools from taking them for Python files."""
PACKAGE = "PACKAGE"
"""The word for the package in the paths of templates."""


def render(values: Mapping[str, str], replaced: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the text of every file by its path in the plugin.

    Args:
        values: the values of the placeholders.
        replaced: texts of templates that replace those of a path, or add a path.
    """
    texts = {}
    for path, template in {**dict(_templates(files(__package__) / "templates")), **(replaced or {})}.items():
        texts[path.replace(PACKAGE, values["package"])] = Template(template).substitute(values)
    return texts


def template(name: str) -> str:
    """Return the text of a template for wrapped networks."""
    return (files(__package__) / "wrapping" / f"{name}{SUFFIX}").read_text(encoding="utf-8")


def _templates(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _templates(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            yield prefix + entry.name.removesuffix(SUFFIX), entry.read_text(encoding="utf-8")
