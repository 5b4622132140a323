"""From templates to the files of a plugin. The templates lie in ``templates/``, by their path in the plugin."""

from __future__ import annotations

from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

SUFFIX = ".tmpl"
"""Ends every template's name, so that tools do not take it for a Python file."""
PACKAGE = "PACKAGE"
"""Stands for the package in the templates' paths."""


def render(values: Mapping[str, str], replaced: Mapping[str, str] | None = None) -> dict[str, str]:
    """Path in the plugin to text, of every file.

    Args:
        values: what the placeholders stand for.
        replaced: paths in the templates to templates that take their place, as text.
    """
    texts = {}
    for path, template in {**dict(_templates(files(__package__) / "templates")), **(replaced or {})}.items():
        texts[path.replace(PACKAGE, values["package"])] = Template(template).substitute(values)
    return texts


def template(name: str) -> str:
    """The text of a template that is not in the tree of every plugin."""
    return (files(__package__) / "wrapping" / f"{name}{SUFFIX}").read_text(encoding="utf-8")


def _templates(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _templates(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            yield prefix + entry.name.removesuffix(SUFFIX), entry.read_text(encoding="utf-8")
