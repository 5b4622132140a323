"""The type stub of a plugin's package: its constructors, which exist by `__getattr__` alone, spelt out for editors."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_core.family import Family

_HEAD = """\
# Written by `zoo manifest`, so that editors and type checkers know what `__getattr__` answers for. Do not edit.

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
"""Names that an annotation may use: builtins, and what the head imports (all of it for the builder's options)."""
_OF_CONSTRUCTORS = frozenset({"pretrained", "model_cfg", "feature_cfg", "pruned"})
"""Arguments of the builder that a constructor passes itself."""
_NO_TESTS = "# ruff: noqa: PT028 - an architecture whose name starts with test_ is no test\n"


def constructor_stub(family: Family) -> str:
    """The text of a package's ``__init__.pyi``: every constructor of `family`, with the options that it takes.

    Imports the network's module, and so torch. The text depends on the family's tables and signatures alone.
    """
    options = "".join(f"    {name}: {annotation}\n" for name, annotation in _options(family))
    constructors = "".join(
        f"def {name}(pretrained: bool = False, **options: Unpack[_Options]) -> nn.Module: ...\n"
        for name in family.architectures
    )
    lint = _NO_TESTS if any(name.startswith("test_") for name in family.architectures) else ""
    return f"{lint}{_HEAD}{options}\n{constructors}"


def _options(family: Family) -> Iterator[tuple[str, str]]:
    """Name and annotation of every option: the network's own, the fields of its configuration, the builder's."""
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
    """The annotation as the source has it, or Any where it names what the stub does not import."""
    if not isinstance(annotation, str):  # of a module without annotations from the future
        annotation = inspect.formatannotation(annotation)
    names = {node.id for node in ast.walk(ast.parse(annotation)) if isinstance(node, ast.Name)}
    return annotation if names <= _KNOWN else "Any"
