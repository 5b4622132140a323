from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import zoo_core as zoo
from zoo_core import errors, registry
from zoo_core.config import PretrainedCfg

if TYPE_CHECKING:
    from sites import Site

MODELS = {"tiny101": ["b", "a"], "tiny18": ["a"], "tiny18d": [], "wide18_2": ["a"]}


@pytest.fixture(params=[True, False], ids=["header", "plain JSON"])
def listed(site: Site, request: pytest.FixtureRequest) -> Site:
    site.plugin("zoo-tiny", MODELS, header=request.param)
    site.plugin("zoo-other", {"other": ["x"]}, header=request.param)
    return site


@pytest.mark.usefixtures("listed")
class TestListModels:
    def test_in_natural_order(self) -> None:
        assert zoo.list_models() == ["other", "tiny18", "tiny18d", "tiny101", "wide18_2"]

    @pytest.mark.parametrize(
        ("options", "names"),
        [
            ({"filter": "tiny*"}, ["tiny18", "tiny18d", "tiny101"]),
            ({"filter": ["*101", "other"]}, ["other", "tiny101"]),
            ({"filter": "TINY*"}, []),
            ({"filter": []}, ["other", "tiny18", "tiny18d", "tiny101", "wide18_2"]),
            ({"filter": "tiny*", "exclude_filters": "*d"}, ["tiny18", "tiny101"]),
            ({"exclude_filters": ["tiny*", "other"]}, ["wide18_2"]),
            ({"family": "other"}, ["other"]),
            ({"family": ["other", "tiny"], "filter": "*18"}, ["tiny18"]),
            ({"family": "nothing"}, []),
            ({"module": "zoo_other"}, ["other"]),
            ({"module": "zoo_oth"}, []),
            ({"module": ["zoo_other", "zoo_tiny"], "filter": "wide*"}, ["wide18_2"]),
            ({"pretrained": True}, ["other.x", "tiny18.a", "tiny101.a", "tiny101.b", "wide18_2.a"]),
            ({"pretrained": True, "include_tags": False}, ["other", "tiny18", "tiny101", "wide18_2"]),
            ({"include_tags": True, "filter": "tiny*"}, ["tiny18.a", "tiny18d", "tiny101.a", "tiny101.b"]),
            ({"include_tags": True, "filter": "*.b"}, ["tiny101.b"]),
            ({"include_tags": True, "filter": "tiny*", "exclude_filters": "*101"}, ["tiny18.a", "tiny18d"]),
            ({"name_matches_cfg": True}, ["other", "tiny18", "tiny101", "wide18_2"]),
        ],
    )
    def test_filters(self, options: dict[str, object], names: list[str]) -> None:
        assert zoo.list_models(**options) == names

    def test_unknown_options_are_refused(self) -> None:
        with pytest.raises(TypeError, match="pre_trained"):
            zoo.list_models(pre_trained=True)

    def test_list_pretrained_and_families(self) -> None:
        assert zoo.list_pretrained("tiny*", exclude_filters="*.b") == ["tiny18.a", "tiny101.a"]
        assert zoo.list_families() == ["other", "tiny"]

    def test_questions_about_one_name(self) -> None:
        yes = ["tiny18", "tiny101.b", "zoo-tiny/tiny18", "Zoo.Tiny/tiny18.a"]
        no = ["tiny", "tiny101.c", "zoo-other/tiny18", "hf-hub:a/b", "", "not a name"]
        assert [name for name in yes + no if zoo.is_model(name)] == yes
        assert zoo.is_model_in_modules("tiny18", ["x", "zoo_tiny"])
        assert not zoo.is_model_in_modules("tiny18", ["zoo_other"])
        assert not zoo.is_model_in_modules("nothing", ["zoo_other"])
        assert [zoo.is_model_pretrained(name) for name in ("tiny18", "tiny101.b", "tiny18d", "nothing")] == [
            *(True, True, False, False)
        ]

    def test_default_configs(self) -> None:
        cfg = zoo.get_pretrained_cfg("tiny101")
        assert isinstance(cfg, PretrainedCfg)
        assert (cfg.architecture, cfg.tag, cfg.url) == ("tiny101", "b", "https://x/tiny101.b")
        assert zoo.get_pretrained_cfg("zoo-tiny/tiny101.a").tag == "a"
        assert zoo.get_pretrained_cfg("tiny18d") is None
        assert zoo.get_pretrained_cfg_value("tiny18", "url") == "https://x/tiny18.a"
        assert zoo.get_pretrained_cfg_value("tiny18d", "url") is None
        with pytest.raises(errors.ConfigError) as caught:
            zoo.get_pretrained_cfg_value("tiny18", "num_clases")
        assert str(caught.value) == "unknown default config field 'num_clases'. Did you mean 'num_classes'?"

    def test_finding_loads_nothing_and_loading_gives_the_constructor(self) -> None:
        found = registry.find_model("tiny101")
        assert (found.architecture, found.tag, found.family) == ("tiny101", "b", "tiny")
        assert (found.distribution, found.constructor) == ("zoo-tiny", "zoo_tiny:tiny101")
        assert (found.name, found.qualified_name) == ("tiny101.b", "zoo-tiny/tiny101.b")
        assert registry.load_constructor(found)(num_classes=3) == ("tiny101", False, {"num_classes": 3})
        assert zoo.model_entrypoint("tiny101", "zoo_tiny")()[0] == "tiny101"
        with pytest.raises(errors.UnknownModelError) as caught:
            zoo.model_entrypoint("tiny101", "zoo_other")
        assert str(caught.value) == "model 'tiny101' is not in zoo_other, but zoo_tiny:tiny101"


def test_the_short_form_is_one_constructor(site: Site) -> None:
    site.package("zoo_short", {"net.py": "def shorty(pretrained=False, **options): return 'built'\n"})
    site.info("zoo-short", "1.0", "[zoo_core.models]\nshorty = zoo_short.net:shorty\n")
    assert zoo.list_models() == ["shorty"]
    assert zoo.list_families() == ["shorty"]
    assert zoo.list_pretrained() == []
    assert zoo.get_pretrained_cfg("shorty") is None
    assert zoo.model_entrypoint("shorty")() == "built"


def test_tags_without_weights_are_listed_and_not_pretrained(site: Site) -> None:
    row = {"constructor": "zoo_half:half", "default": "new", "tags": ["new", "old"], "untrained": ["new"]}
    site.plugin("zoo-half", ["half"], header=False, architectures={"half": row})
    assert zoo.list_models(include_tags=True) == ["half.new", "half.old"]
    assert zoo.list_pretrained() == ["half.old"]
    assert [zoo.is_model_pretrained(name) for name in ("half", "half.old")] == [False, True]


def test_nothing_installed(site: Site) -> None:
    assert (zoo.list_models(), zoo.list_pretrained(), zoo.list_families()) == ([], [], [])


def test_refresh_sees_what_was_installed_and_removed_since(site: Site) -> None:
    assert zoo.list_models() == []
    site.plugin("zoo-late", ["late"])
    assert zoo.list_models() == []
    zoo.refresh()
    assert zoo.list_models() == ["late"]
    assert zoo.model_entrypoint("late")()[0] == "late"
    (site.root / "zoo_late-1.0.dist-info" / "entry_points.txt").unlink()
    zoo.refresh()
    assert zoo.list_models() == []


def test_a_namespace_package_and_a_nested_one(site: Site) -> None:
    site.plugin("zoo-spaced", ["spaced"])
    (site.root / "zoo_spaced" / "__init__.py").unlink()
    site.plugin("zoo-nested", ["nested"])
    (site.root / "zoo_nested" / "inner").mkdir()
    for name in ("models.json", "configs.json"):
        (site.root / "zoo_nested" / name).rename(site.root / "zoo_nested" / "inner" / name)
    entry_points = site.root / "zoo_nested-1.0.dist-info" / "entry_points.txt"
    entry_points.write_text("[zoo_core.models]\nnested = zoo_nested.inner:models.json\n")
    assert zoo.list_models() == ["nested", "spaced"]
