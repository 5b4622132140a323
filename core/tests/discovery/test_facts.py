"""Facts and results beside a manifest: checked where they are read, whatever they hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import zoo_core as zoo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zoo_core import registry
from zoo_core.discovery.doctor import examine
from zoo_core.discovery.facts import Facts, Result, find_facts, find_results, read_facts, read_results
from zoo_core.errors import PluginError, ZooError

if TYPE_CHECKING:
    from pathlib import Path

    from sites import Site

FACTS = {
    "parameters": 100,
    "macs": 2000,
    "activations": 50,
    "input_size": [3, 32, 48],
    "fixed_input_size": True,
    "channels": [4, 8],
    "reductions": [2, 4],
    "modules": ["stem", "body.1"],
    "layouts": ["NCHW", "NLC"],
}
RESULTS = [{"image_size": 32, "top1": 70.5, "top5": 90}, {"image_size": 64, "top1": 71}]


def plugin(site: Site, facts: object = None, results: object = None, *, header: bool = True, named: Any = None) -> Path:
    """Install zoo-net, of the architectures one (of the tag a) and two, with these files."""
    named = {"facts": "facts.json", "results": "results.json", **(named or {})}
    files = {"facts.json": {"one": FACTS} if facts is None else facts}
    files["results.json"] = {"one.a": RESULTS} if results is None else results
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in files.items()}
    folder = site.plugin("zoo-net", {"one": ["a"], "two": []}, files=texts, header=header, **named)
    zoo.refresh()
    return folder


def said(site: Site) -> str:
    return "\n".join(problem.what for problem in examine(registry.current_index()))


@pytest.mark.parametrize("header", [True, False])
def test_they_are_read_beside_the_manifest(site: Site, header: bool) -> None:
    plugin(site, header=header)
    facts = find_facts(registry.find_model("one"))
    assert facts == Facts(
        parameters=100,
        macs=2000,
        activations=50,
        input_size=(3, 32, 48),
        fixed_input_size=True,
        channels=(4, 8),
        reductions=(2, 4),
        modules=("stem", "body.1"),
        layouts=("NCHW", "NLC"),
    )
    expected = (Result(image_size=32, top1=70.5, top5=90), Result(image_size=64, top1=71))
    assert find_results(registry.find_model("one.a")) == expected
    assert find_facts(registry.find_model("two")) is None
    assert find_results(registry.find_model("two")) == ()
    assert said(site) == ""


def test_a_manifest_need_not_have_any(site: Site) -> None:
    site.plugin("zoo-net", {"one": ["a"]})
    zoo.refresh()
    assert find_facts(registry.find_model("one")) is None
    assert find_results(registry.find_model("one")) == ()
    assert said(site) == ""


@pytest.mark.parametrize(
    ("layouts", "expected"),
    [(None, ("NCHW", "NCHW")), ("NHWC", ("NHWC", "NHWC")), (["NLC", "NCHW"], ("NLC", "NCHW"))],
)
def test_one_layout_may_be_that_of_all_maps(layouts: object, expected: tuple[str, ...]) -> None:
    row = {key: value for key, value in {**FACTS, "layouts": layouts}.items() if value is not None}
    assert read_facts(row, "x").layouts == expected


def test_a_field_of_a_later_version_is_left_alone() -> None:
    assert read_facts({**FACTS, "watts": 7}, "x") == read_facts(FACTS, "x")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"parameters": None}, "'parameters' must be a whole number"),
    ({"parameters": -1}, "'parameters' must be a whole number"),
    ({"parameters": True}, "'parameters' must be a whole number"),
    ({"parameters": 1 << 60}, "'parameters' must be a whole number"),
    ({"parameters": "9" * 300}, "'parameters' must be a whole number"),
    ({"macs": 1.5}, "'macs' must be a whole number"),
    ({"activations": []}, "'activations' must be a whole number"),
    ({"input_size": [3, 32]}, "'input_size' must be (channels, height, width)"),
    ({"input_size": [3, 0, 32]}, "'input_size' must be (channels, height, width)"),
    ({"input_size": "224"}, "'input_size' must be (channels, height, width)"),
    ({"fixed_input_size": 1}, "'fixed_input_size' must be true or false"),
    ({"channels": [4, 0]}, "'channels' must be a count for each feature map"),
    ({"channels": [4]}, "'reductions' must have a value for each of its 1 'channels'"),
    ({"reductions": [2, None]}, "'reductions' must be a whole number for each"),
    ({"modules": ["stem"]}, "'modules' must have a value for each of its 2 'channels'"),
    ({"modules": ["stem", "\x1b[2J"]}, "'modules' must be a module's name"),
    ({"layouts": ["NCHW"]}, "'layouts' must have a value for each"),
    ({"layouts": "NCWH"}, "'layouts' must be NCHW, NHWC, NLC"),
    ({"layouts": [["NCHW"], "NLC"]}, "'layouts' must be NCHW, NHWC, NLC"),
]


@pytest.mark.parametrize(("changes", "problem"), WRONG, ids=str)
def test_wrong_facts(site: Site, changes: dict[str, Any], problem: str) -> None:
    plugin(site, {"one": {**FACTS, **changes}})
    with pytest.raises(PluginError) as caught:
        find_facts(registry.find_model("one"))
    assert str(caught.value).startswith("plugin zoo-net 1.0 (entry point 'net'")
    assert f"has broken facts of 'one': {problem}" in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert f"has broken facts of 'one': {problem}" in said(site)
    assert zoo.list_models() == ["one", "two"]  # the model itself is not concerned
    assert registry.find_model("one").constructor == "zoo_net:one"


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (7, "must be a list of objects, not 7"),
        ({"top1": 3}, "must be a list of objects"),
        ([7], "it must be an object, not 7"),
        ([{"top1": 70}], "it has no 'image_size'"),
        ([{"image_size": 32}], "it has no 'top1'"),
        ([{"image_size": 32, "top1": 101}], "'top1' must be a number from 0 to 100, not 101"),
        ([{"image_size": 32, "top1": float("nan")}], "'top1' must be a number from 0 to 100"),
        ([{"image_size": 0, "top1": 70}], "'image_size' must be pixels"),
        ([{"image_size": 32, "top1": 70, "top5": "90"}], "'top5' must be a number from 0 to 100"),
    ],
    ids=str,
)
def test_wrong_results(site: Site, rows: object, problem: str) -> None:
    plugin(site, results={"one.a": rows})
    with pytest.raises(PluginError) as caught:
        find_results(registry.find_model("one"))
    assert "has broken results of 'one.a'" in str(caught.value)
    assert problem in str(caught.value)
    assert problem in said(site)


@pytest.mark.parametrize("text", ["", "{", "[1]", "7", "[" * 100_000, "nul"])
@pytest.mark.parametrize("kind", ["facts", "results"])
def test_files_that_are_none(site: Site, kind: str, text: str) -> None:
    folder = plugin(site)
    (folder / f"{kind}.json").write_text(text)
    zoo.refresh()
    with pytest.raises(PluginError, match=rf"{kind}\.json in zoo_net"):
        zoo.describe("one")
    assert f"has unreadable {kind}: {kind}.json in zoo_net" in said(site)


@pytest.mark.parametrize("name", ["../../x.json", "/etc/passwd", 7, "a\\b", ""])
@pytest.mark.parametrize("kind", ["facts", "results"])
@pytest.mark.parametrize("header", [True, False])
def test_files_outside_the_package(site: Site, kind: str, name: object, header: bool) -> None:
    plugin(site, header=header, named={kind: name})
    assert f"{kind!r} of its manifest in zoo_net is " in said(site)


def test_rows_of_no_model(site: Site) -> None:
    plugin(site, {"one": FACTS, "three": FACTS}, {"one": RESULTS, "one.b": RESULTS})
    assert "has facts of 'three', which it does not offer" in said(site)
    assert "has results of 'one.b', which it does not offer" in said(site)
    assert "has results of 'one', which it does not offer" in said(site)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([*FACTS, "NLC"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FACTS, "top1", "image_size"]), inner),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VALUES | st.fixed_dictionaries({}, optional=dict.fromkeys(FACTS, VALUES)).map(lambda drawn: {**FACTS, **drawn}))
def test_whatever_a_row_holds_it_is_read_or_refused(row: object) -> None:
    for read in (read_facts, read_results):
        try:
            known, problem = read(row, "x"), ""
        except ZooError as error:
            known, problem = None, str(error)
        assert known is not None or (problem.startswith("x") and problem.isprintable())
        if isinstance(known, Facts):
            assert len(known.channels) == len(known.reductions) == len(known.modules) == len(known.layouts)
            assert known.parameters is not None
            assert known.parameters >= 0
