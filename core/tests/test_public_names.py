import ast
from pathlib import Path

import pytest
import zoo_core

SOURCE = Path(zoo_core.__file__).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", zoo_core.__all__)
def test_every_public_name_exists(name):
    assert getattr(zoo_core, name) is not None


def test_editors_see_the_names_that_exist():
    (block,) = (node for node in ast.parse(SOURCE).body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == {name: f"zoo_core.{module}" for name, module in zoo_core._EXPORTS.items()}


def test_jedi_completes_them():
    jedi = pytest.importorskip("jedi")  # completion in notebooks
    program = "import zoo_core as zoo; zoo."
    completed = {each.name for each in jedi.Script(program).complete(1, len(program))}
    assert {name for name in zoo_core.__all__ if not name.startswith("_")} <= completed


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'zoo_core' has no attribute 'creat_model'"):
        zoo_core.creat_model  # noqa: B018 - the access is the test
