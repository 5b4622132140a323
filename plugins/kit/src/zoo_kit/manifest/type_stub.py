"""The type stub of a plugin's package, whose constructors exist by `__getattr__` alone."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_core.family import Family

_HEAD = """\
# Written by `zoo manifest`, for editors and type checkers. Do not edit.

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

import torch
from torch import nn
from zoo_core import Family
from zoo_core.config import PretrainedCfg

FAMILY: Family
__version__: str

class _Options(TypedDict, total=False):
"""
_BUILTINS = {"None", "bool", "dict", "float", "int", "list", "str", "tuple", "type"}
_KNOWN = _BUILTINS | {"Any", "Mapping", "PretrainedCfg", "Sequence", "nn", "os", "torch"}
"""Names that an annotation may use: builtins, and the imports of the head."""
_OF_CONSTRUCTORS = frozenset({"pretrained", "model_cfg", "feature_cfg", "pruned"})
"""Arguments of the builder that a constructor passes itself."""
_NO_TESTS = "# ruff: noqa: PT028 - an architecture whose name starts with test_ is no test\n"


def constructor_stub(family: Family) -> str:
    """Return the text of a package's ``__init__.pyi``: every constructor, with its options.

    Imports the network's module, and so torch. The text depends on the family's tables and
    signatures alone.
    """
    options = "".join(f"    {name}: {annotation}\n" for name, annotation in _options(family))
    constructors = "".join(
        f"def {name}(pretrained: bool = False, **options: Unpack[_Options]) -> nn.Module: ...\n"
        for name in family.architectures
    )
    lint = _NO_TESTS if any(name.startswith("test_") for name in family.architectures) else ""
    return f"{lint}{_HEAD}{options}\n{constructors}"


def _options(family: Family) -> Iterator[tuple[str, str]]:
    """Yield each option of the network, its configuration and the builder, with its annotation."""
    from zoo_core.building.build import build_model_with_cfg

    seen = set(_OF_CONSTRUCTORS)
    config = next(iter(family.architectures.values()))
    fields = {f.name: f.type for f in dataclasses.fields(config)} if dataclasses.is_dataclass(config) else {}
    for options in (_keywords(family.network_class.__init__), fields, _keywords(build_model_with_cfg)):
        for name, annotation in options.items():
            if name not in seen:
                seen.add(name)
                yield name, _spelt(annotation)


def _keywords(function: Any) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.annotation for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def _spelt(annotation: Any) -> str:
    """Return the annotation as in the source, or Any if it uses a name that the stub lacks."""
    if not isinstance(annotation, str):  # its module has no `from __future__ import annotations`
        annotation = inspect.formatannotation(annotation)
    names = {node.id for node in ast.walk(ast.parse(annotation)) if isinstance(node, ast.Name)}
    return annotation if names <= _KNOWN else "Any"
