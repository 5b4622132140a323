"""What holds for all tests of the repository: their cache, seeds, and operators of TorchScript.

pytest-randomly shuffles the tests: modules, then the tests in each. Before each test it also seeds
`random` and NumPy from the seed that the run prints and the test's name. torch is seeded by the
name alone: what a test draws depends neither on the tests before it nor on the run, so that a
tolerance holds always or never. hypothesis draws from a generator of its own.
"""

from __future__ import annotations

import sys
import zlib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Seed torch, where a test module has imported it."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(zlib.crc32(item.nodeid.encode()))


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the tests, and the processes they start, a cache folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_CACHE", str(tmp_path_factory.mktemp("zoo-cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def operators_that_stay() -> Iterator[None]:
    """Keep the functions that TorchScript knows as operators, since it knows them by `id` alone.

    An operator that gets another overload gets another function, and PyTorch frees the old one. A
    module's list may get its address: TorchScript takes the list for the operator, and fails.
    """
    kept: list[Callable[..., object]] = []
    with pytest.MonkeyPatch.context() as patch:
        if torch := sys.modules.get("torch"):
            known = torch.jit._builtins._register_builtin

            def register(function: Callable[..., object], name: str) -> None:
                kept.append(function)
                known(function, name)

            patch.setattr(torch.jit._builtins, "_register_builtin", register)
        yield
