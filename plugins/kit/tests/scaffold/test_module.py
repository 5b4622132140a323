"""The look at a module that is to be wrapped: its arguments and its images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.heavy
def test_options_are_those_that_the_walk_does_not_depend_on(written: Callable[[str], tuple[Path, str]]) -> None:
    plugin, said = written("digits")
    config = (plugin / "src/zoo_digits/config.py").read_text()
    assert "hidden: int = 84" in config
    assert "dropout" not in config
    assert "as the walk depends on them: dropout" in said
    assert "log_softmax" in said
    assert "28x28 only" in said
