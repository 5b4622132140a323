from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest
from forks import forks_beside_threads
from zoo_core import registry

if TYPE_CHECKING:
    from sites import Site

COUNTED = """
import pathlib, time, threading
with open(pathlib.Path(__file__).parents[1] / "imports.txt", "a") as file:
    file.write(__name__ + "\\n")
time.sleep(0.05)
def __getattr__(name):
    if not name.startswith("net"):
        raise AttributeError(name)
    return lambda **options: name
"""

PROGRAM = """
import sys, threading
sys.setswitchinterval(1e-5)
import zoo_core as zoo
from zoo_core import registry
start, problems = threading.Barrier(32), []
def work(i):
    name = f"net{i % 4}"
    try:
        start.wait()
        assert len(registry.list_models()) == 200, "half-filled"
        assert zoo.create_model(f"{name}.t0", num_classes=3) == name
        assert registry.get_pretrained_cfg(f"{name}.t1").tag == "t1"
        assert registry.find_model(f"old{i % 4}").architecture == name
    except BaseException as error:
        problems.append(repr(error))
threads = [threading.Thread(target=work, args=(i,)) for i in range(32)]
import warnings; warnings.simplefilter("ignore")
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not problems, problems
"""


def test_32_threads_import_each_plugin_once_and_see_it_whole(site: Site) -> None:
    for i in range(4):
        models = {f"net{i}": ["t0", "t1"], **{f"filler{i}_{j}": [] for j in range(49)}}
        site.plugin(f"zoo-p{i}", models, files={"__init__.py": COUNTED}, aliases={f"old{i}": f"net{i}"})
    site.run(PROGRAM, bare=False, ZOO_PLUGINS="zoo-p0 zoo-p1 zoo-p2 zoo-p3")
    imports = (site.root / "imports.txt").read_text().split()
    assert sorted(imports) == [f"zoo_p{i}" for i in range(4)]


def test_refreshing_while_others_ask(site: Site) -> None:
    for i in range(3):
        site.plugin(f"zoo-p{i}", [f"net{i}"])
    program = """
import sys, threading
sys.setswitchinterval(1e-5)
from zoo_core import registry
seen = set()
def ask():
    for _ in range(20):
        seen.add(tuple(registry.list_models()))
        registry.find_model("net1")
threads = [threading.Thread(target=ask) for _ in range(4)] + [
    threading.Thread(target=lambda: [registry.refresh() for _ in range(20)])
]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert seen == {("net0", "net1", "net2")}, seen
"""
    site.run(program)


def test_a_refresh_between_building_and_returning(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst moment for another thread to refresh: as soon as the lock is free."""
    site.plugin("zoo-one", ["one"])

    class Lock:
        def __enter__(self) -> None:
            """Be free."""

        def __exit__(self, *_: object) -> None:
            thread = threading.Thread(target=setattr, args=(registry, "_index", None))
            thread.start()
            thread.join()

    monkeypatch.setattr(registry, "_lock", Lock())
    assert registry.list_models() == ["one"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_process_that_is_forked_while_another_thread_refreshes(site: Site) -> None:
    site.plugin("zoo-one", ["one"])
    listed = "registry.list_models()"
    site.run(
        forks_beside_threads(
            prepare="from zoo_core import registry",
            work=f"registry.refresh(); {listed}",
            succeeds=f"{listed} == ['one']",
            count=20,
        )
    )
