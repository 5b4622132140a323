"""`describe`: what is known of a model, and choosing among several."""

from __future__ import annotations

import pytest
import zoo_core as zoo
from shop import shop
from sites import Site
from zoo_core.description import Descriptions, short
from zoo_core.discovery.facts import Result
from zoo_core.errors import ConfigError, OptionError, UnknownModelError

ALL = ["small.a", "small.b", "large.a", "vague.a", "silent.a"]


@pytest.fixture(autouse=True)
def _shop(site: Site) -> None:
    shop(site)


def names(rows: Descriptions) -> list[str]:
    return [row.name for row in rows]


def test_everything_that_is_known_of_a_model() -> None:
    small = zoo.describe("small")
    assert (small.name, small.architecture, small.tag, small.tags) == ("small.a", "small", "a", ("a", "b"))
    assert (small.family, small.distribution) == ("shop", "zoo-shop")
    assert (small.parameters, small.macs, small.activations) == (5_000_000, 500_000_000, 500_000)
    assert (small.input_size, small.fixed_input_size) == ((3, 100, 100), False)
    assert (small.channels, small.reductions, small.modules) == ((8, 16), (2, 4), ("stem", "body"))
    assert (small.layouts, zoo.describe("large").layouts) == (("NCHW", "NCHW"), ("NLC", "NLC"))
    assert zoo.describe("large").fixed_input_size
    assert (small.license, small.license_group, small.bytes, small.has_weights) == (
        *("apache-2.0", "permissive"),
        *(20_000_000, True),
    )
    assert small.results == (Result(image_size=100, top1=70.5, top5=90.25), Result(image_size=200, top1=71))
    assert zoo.describe("large").paper == ("arXiv:1",)


def test_the_accuracy_is_the_best_one_and_its_cost_is_of_its_size() -> None:
    small = zoo.describe("small")
    assert small.top1 == 71
    assert small.macs_of_best == 4 * 500_000_000  # four times the area
    assert zoo.describe("small.b").macs_of_best == 500_000_000
    assert zoo.describe("vague").macs_of_best is None


def test_what_is_not_known_is_none() -> None:
    silent = zoo.describe("silent")
    assert (silent.parameters, silent.macs, silent.top1, silent.input_size, silent.license) == (None,) * 5
    assert (silent.channels, silent.results, silent.license_group) == ((), (), "unknown")


@pytest.mark.parametrize(("asked", "name"), [("zoo-shop/small.b", "zoo-shop/small.b"), ("large", "large.a")])
def test_it_is_named_as_it_was_asked_for(asked: str, name: str) -> None:
    assert zoo.describe(asked).name == name


def test_an_old_name_becomes_the_new_one() -> None:
    with pytest.warns(DeprecationWarning, match="'tiny' is deprecated"):
        assert zoo.describe("tiny").name == "small.b"


def test_an_unknown_name_is_an_error_with_the_nearest() -> None:
    with pytest.raises(UnknownModelError, match="Did you mean 'small'"):
        zoo.describe(["large", "smal"])


def test_a_registered_constructor_is_described_as_far_as_it_is_known(registrations: None) -> None:
    zoo.register_model(lambda pretrained=False: None, name="mine")
    assert (zoo.describe("mine").parameters, zoo.describe("mine").distribution) == (None, "local")


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({}, ALL),
        ({"max_params": 20_000_000}, ["small.a", "small.b", "vague.a"]),
        ({"max_macs": 1e9}, ["small.a", "small.b"]),
        ({"min_top1": 71}, ["small.a", "small.b", "large.a"]),
        ({"min_top1": 0}, ["small.a", "small.b", "large.a"]),
        ({"license": "permissive"}, ["small.a", "large.a"]),
        ({"license": "MIT, non-commercial"}, ["small.b", "large.a"]),
        ({"license": "unknown"}, ["vague.a", "silent.a"]),
        ({"min_top1": 71, "max_params": 1e7, "license": "permissive"}, ["small.a"]),
        ({"sort": "top1"}, ["large.a", "small.b", "small.a", "vague.a", "silent.a"]),
        ({"sort": "params"}, ["small.a", "small.b", "vague.a", "large.a", "silent.a"]),
        ({"sort": "macs"}, ["small.a", "small.b", "large.a", "vague.a", "silent.a"]),
        ({"sort": "activations"}, ["small.a", "small.b", "vague.a", "large.a", "silent.a"]),
    ],
    ids=str,
)
def test_choosing(bounds: dict[str, object], expected: list[str]) -> None:
    assert names(zoo.describe(ALL).select(**bounds)) == expected  # type: ignore[arg-type]


def test_choosing_by_what_there_is_not() -> None:
    with pytest.raises(OptionError, match=r"cannot sort by 'top5'. Did you mean 'top1'\?"):
        zoo.describe(ALL).select(sort="top5")
    with pytest.raises(ConfigError, match="Did you mean 'permissive'"):
        zoo.describe(ALL).select(license="permisive")


def test_a_notebook_sees_a_table() -> None:
    table = zoo.describe(zoo.list_pretrained("small"))._repr_html_()
    assert table.count("<tr>") == 3
    for text in ("small.a", "small.b", "5M", "500M", "71.00", "cc-by-nc-4.0"):
        assert f"<td>{text}</td>" in table
    assert zoo.describe("small.b")._repr_html_().count("<tr>") == 2


def test_a_table_holds_no_markup_of_a_plugin(site: Site) -> None:
    site.plugin("zoo-evil", {"evil": ["t"]}, configs={"evil.t": {"license": "<script>alert(1)</script>"}})
    zoo.refresh()
    table = zoo.describe("evil")._repr_html_()
    assert "<script" not in table
    assert "&lt;script&gt;" in table


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, ""), (0, "0"), (999, "999"), (1000, "1k"), (25_557_032, "25.6M"), (999_900, "1M"), (4.09e9, "4.09G")],
)
def test_counts_are_short(count: float | None, text: str) -> None:
    assert short(count) == text


def test_it_imports_neither_torch_nor_a_plugin(site: Site) -> None:
    program = (
        "import sys, zoo_core; zoo_core.describe(zoo_core.list_pretrained()).select(sort='top1'); print(*sys.modules)"
    )
    loaded = set(site.run(program).stdout.split())
    assert "zoo_core.description" in loaded
    assert not {"torch", "numpy", "zoo_shop", "pluggy", "requests", "logging", "importlib.metadata"} & loaded
