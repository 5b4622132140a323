"""Find the uses of timm in Python source, and say how each fares with Zoo.

Reads text, runs nothing.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zoo_core.errors import ZooError
from zoo_core.registry import is_model, plugins

from zoo_compat.paths import NETWORKS, PREFIX, PROVIDERS, canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKS = "works"
COMPAT = "compat"
DIFFERS = "differs"
TIMM = "timm"
BRIDGE = "zoo-timm"
UNREAD = "unread"

MEANINGS = {
    WORKS: "zoo_core has it under the same name",
    COMPAT: "zoo_core.compat.timm serves it",
    DIFFERS: "zoo_core.compat.timm serves it, with a difference",
    TIMM: "taken from an installed timm: Zoo has none of its own",
    BRIDGE: "a model or its module that no installed plugin offers: pip install zoo-timm",
    UNREAD: "no Python that can be read",
}
"""How a use fares, and what that means."""

_DIFFERENCES = {
    "timm.models.load_checkpoint": "code in a file never runs, weights_only=False or not",
    "timm.models.load_state_dict": "code in a file never runs, weights_only=False or not",
    "timm.models.resume_checkpoint": "code in a file never runs, weights_only=False or not",
    "timm.models.build_model_with_cfg": "the network's constructor gets Zoo's options",
    "timm.models.register_model": "registers with Zoo; see docs/writing-a-plugin.md",
    "timm.data.create_transform": "for evaluation; with is_training=True timm's own",
    "timm.models.checkpoint_seq": "without re-entrance, unless asked for",
}

_OF_A_MODEL = re.compile(r"timm\.models\.([a-z]\w+)\.\w")
_BUILT = "isinstance takes Zoo's networks, too; building or deriving it takes an installed timm's class"


class Use(NamedTuple):
    """One use of timm."""

    path: Path
    line: int
    name: str
    """Dotted, such as ``timm.data.create_transform``, or the name of a model."""
    status: str
    """A key of `MEANINGS`."""
    note: str = ""


def python_files(paths: list[Path]) -> Iterator[Path]:
    """Yield the Python files at or below `paths`, without those in hidden folders.

    Raises:
        ZooError: for a path that does not exist.
    """
    for path in paths:
        if path.is_file():
            yield path
        elif path.is_dir():
            for file in sorted(path.rglob("*.py")):
                if not any(part.startswith(".") for part in file.relative_to(path).parts):
                    yield file
        else:
            raise ZooError(f"{path} does not exist")


def uses_in(path: Path) -> list[Use]:
    """Return the uses of timm in a file, by line."""
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError) as error:
        return [Use(path, getattr(error, "lineno", None) or 1, path.name, UNREAD, str(error).split("\n")[0])]
    finder = _Finder(path)
    finder.visit(tree)
    return sorted(set(finder.uses), key=lambda use: (use.line, use.name))


class _Finder(ast.NodeVisitor):
    def __init__(self, path: Path) -> None:
        self.path = path
        self.uses: list[Use] = []
        self.names: dict[str, str] = {}  # of the file, to what they are in timm

    def visit_Import(self, node: ast.Import) -> None:
        """``import timm.models as m``."""
        for alias in node.names:
            if _is_timms(alias.name):
                self.names[alias.asname or "timm"] = alias.name if alias.asname else "timm"
                if alias.name != "timm":
                    self._add(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """``from timm.models import create_model as c``."""
        if node.level or not node.module or not _is_timms(node.module):
            return
        for alias in node.names:
            name = f"{node.module}.{alias.name}"
            self.names[alias.asname or alias.name] = name
            self._add(node, name)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """``timm.data.create_transform``."""
        if name := self._dotted(node):
            self._add(node, name)
        else:
            self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """``class Mine(ResNet)``."""
        for base in node.bases:
            if name := self._dotted(base):
                self._add(base, name, built=True)
        for part in (*node.decorator_list, *node.keywords, *node.body):
            self.visit(part)

    def visit_Call(self, node: ast.Call) -> None:
        """``create_model("...")``: also the name of the model."""
        name = self._dotted(node.func) or ""
        if name:
            self._add(node, name, built=True)
        if name.endswith(".create_model") and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and not _is_known(first.value):
                self.uses.append(Use(self.path, first.lineno, first.value, BRIDGE))
        for part in (*([] if name else [node.func]), *node.args, *node.keywords):
            self.visit(part)

    def _dotted(self, node: ast.AST) -> str | None:
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name) and (known := self.names.get(node.id)):
            return ".".join([known, *reversed(parts)])
        return None

    def _add(self, node: ast.AST, name: str, *, built: bool = False) -> None:
        status, note = (DIFFERS, _BUILT) if built and _is_networks_class(name) else status_of(name)
        self.uses.append(Use(self.path, getattr(node, "lineno", 1), name, status, note))


def status_of(name: str) -> tuple[str, str]:
    """Return how a name of timm fares, and what there is to know."""
    import zoo_core

    module, _, last = name.rpartition(".")
    if canonical(name) or name == "timm":
        return COMPAT, ""
    if not (served := canonical(module)):
        if of_a_model := _OF_A_MODEL.match(name):
            offered = is_model(of_a_model[1]) or any(plugin.distribution == BRIDGE for plugin in plugins())
            return (COMPAT, "") if offered else (BRIDGE, "")
        module, _, last = module.rpartition(".")  # an attribute of a class, or of a module of timm's
        served = canonical(module)
    if served in ("timm.models", *NETWORKS) and last.islower() and _is_known(last):
        return COMPAT, ""  # an architecture's constructor
    if served and (last == "*" or last in _served_names(served)):
        if note := _DIFFERENCES.get(f"{served}.{last}"):
            return DIFFERS, note
        return (WORKS, "") if last in zoo_core.__all__ and last != "__version__" else (COMPAT, "")
    return TIMM, ""


def _is_networks_class(name: str) -> bool:
    module, _, last = name.rpartition(".")
    served = canonical(module)
    modules = NETWORKS if served == "timm.models" else {served} & NETWORKS.keys()
    return last[:1].isupper() and any(last in _served_names(one) for one in modules)


@cache
def _served_names(path: str) -> frozenset[str]:
    """Return the names that a facade has of Zoo, read off its providers' source."""
    found: set[str] = set()
    for provider in PROVIDERS[path]:
        spec = importlib.util.find_spec(provider) if _has_package(provider) else None
        if spec is None or spec.origin is None:
            continue
        for node in ast.parse(Path(spec.origin).read_bytes()).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                if node.targets[0].id == "__all__" and isinstance(node.value, ast.List):
                    found |= {one.value for one in node.value.elts if isinstance(one, ast.Constant)}  # type: ignore[misc]
            elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.add(node.name)
    return frozenset(found)


def _has_package(module: str) -> bool:
    return importlib.util.find_spec(module.partition(".")[0]) is not None


def _is_timms(module: str) -> bool:
    return module == "timm" or module.startswith("timm.")


def _is_known(model_name: str) -> bool:
    try:
        return ":" in model_name or is_model(model_name)
    except ZooError:
        return True  # a name that is put together, or one that is wrong with timm too


def rewritten(path: Path) -> str | None:
    """Return a file's source with timm's imports from `PREFIX`; None if it has none."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    changed = False
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level and _is_timms(node.module):
            at = node.lineno - 1
            new = PREFIX + node.module.removeprefix("timm")
            lines[at] = lines[at].replace(f"from {node.module} ", f"from {new} ", 1)
            changed = True
        elif isinstance(node, ast.Import) and any(_is_timms(alias.name) for alias in node.names):
            lines[node.lineno - 1] = _import_line(lines[node.lineno - 1], node)
            changed = True
    return "".join(lines) if changed else None


def _import_line(line: str, node: ast.Import) -> str:
    parts = []
    for alias in node.names:
        if not _is_timms(alias.name):
            parts.append(ast.unparse(ast.Import(names=[alias])))
            continue
        new = PREFIX + alias.name.removeprefix("timm")
        if alias.asname:
            parts.append(f"import {new} as {alias.asname}")
        else:
            parts += [f"import {PREFIX} as timm", *([] if alias.name == "timm" else [f"import {new}"])]
    before, after = line[: node.col_offset], line[node.end_col_offset :]
    return before + "; ".join(parts) + after


def rewrite(path: Path) -> bool:
    """Change a file's imports in place, whole or not at all; return whether there were any."""
    new = rewritten(path)
    if new is None:
        return False
    target = path.resolve()
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=target.parent, delete=False, newline="") as file:
        file.write(new)
    os.chmod(file.name, target.stat().st_mode)  # noqa: PTH101 - a name, no path
    os.replace(file.name, target)  # noqa: PTH105 - as above
    return True
