"""Names that cannot be resolved, resolve to two things, or to something by another name."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest
import zoo_core as zoo
from zoo_core import registry
from zoo_core.errors import AmbiguousModelError, ModelNameError, PluginError, UnknownModelError

if TYPE_CHECKING:
    from sites import Site


def message(name: str, error: type[Exception] = UnknownModelError) -> str:
    with pytest.raises(error) as caught:
        registry.find_model(name)
    return str(caught.value)


class TestUnknown:
    def test_a_typing_error_gets_the_nearest_names(self, site: Site) -> None:
        site.plugin("zoo-tiny", ["tiny18", "tiny34", "other"])
        assert message("tiny19") == ("unknown model 'tiny19': no installed plugin offers it. Did you mean 'tiny18'?")
        assert (
            message("zoo-tiny/othr")
            == "unknown model 'zoo-tiny/othr': zoo-tiny does not offer it. Did you mean 'other'?"
        )

    def test_nothing_near(self, site: Site) -> None:
        site.plugin("zoo-tiny", ["tiny18"])
        assert message("completely_different") == (
            "unknown model 'completely_different': no installed plugin offers it. `zoo list` shows what there is."
        )

    def test_a_known_plugin_that_is_not_installed(self, site: Site) -> None:
        assert message("densenet121.tv_in1k") == (
            "unknown model 'densenet121.tv_in1k': no installed plugin offers it. "
            "It is in zoo-densenet: pip install zoo-densenet"
        )
        assert message("zoo-resnet/resnet50").endswith("It is in zoo-resnet: pip install zoo-resnet")

    def test_where_it_is_comes_before_a_guess(self, site: Site) -> None:
        site.plugin("zoo-resnet", ["resnet152"])
        assert message("densenet152").endswith("offers it. It is in zoo-densenet: pip install zoo-densenet")

    @pytest.mark.parametrize("name", ["RESNET50", "ResNet-50", "resnet_50"])
    def test_case_and_dashes_are_no_difference(self, site: Site, name: str) -> None:
        site.plugin("zoo-resnet", ["resnet50", "resnet152"])
        assert message(name).endswith("Did you mean 'resnet50'?")

    @pytest.mark.parametrize("name", ["yolo11n", "clip"])
    def test_a_name_of_other_libraries_gets_the_command_that_lists(self, site: Site, name: str) -> None:
        site.plugin("zoo-resnet", ["resnet50"])
        assert message(name).endswith("`zoo list` shows what there is.")

    @pytest.mark.parametrize(
        ("name", "distribution"),
        [
            ("seresnext50_32x4d", "zoo-resnet"),
            ("wide_resnet50_2", "zoo-resnet"),
            ("densenetblur121d", "zoo-densenet"),
            ("xception41p", "zoo-xception"),
            ("cspresnext50", "zoo-cspnet"),
            ("cs3se_edgenet_x", "zoo-cspnet"),
            ("sedarknet21", "zoo-cspnet"),
            ("vit_base_patch16_224", "zoo-timm"),
            ("resnetv2_50", "zoo-timm"),
            ("efficientnet_b0", "zoo-timm"),
            ("vit_b_16", "zoo-torchvision"),
            ("zoo-timm/resnet50", "zoo-timm"),
            ("zoo-torchvision/resnet50", "zoo-torchvision"),
        ],
    )
    def test_the_catalogue_knows_families_and_bridges(self, site: Site, name: str, distribution: str) -> None:
        assert message(name).endswith(f"pip install {distribution}")

    def test_an_installed_plugin_is_not_suggested(self, site: Site) -> None:
        site.plugin("zoo-resnet", ["resnet18"])
        assert (
            message("resnet17") == "unknown model 'resnet17': no installed plugin offers it. Did you mean 'resnet18'?"
        )

    def test_what_looks_like_a_hub_repository(self, site: Site) -> None:
        assert message("timm/mynet.in1k") == (
            "unknown model 'timm/mynet.in1k': timm is not an installed plugin. "
            "For a Hugging Face Hub repository write 'hf-hub:timm/mynet.in1k'."
        )

    def test_tags(self, site: Site) -> None:
        site.plugin("zoo-tiny", {"tiny": ["a1_in1k", "a2_in1k"], "bare": []})
        assert message("tiny.a1_in2k") == (
            "unknown model 'tiny.a1_in2k': tiny has no such tag. Did you mean 'a1_in1k' or 'a2_in1k'? "
            "Its tags: a1_in1k, a2_in1k"
        )
        assert message("bare.x") == "unknown model 'bare.x': bare has no tags"

    def test_only_the_first_of_many_tags_are_listed(self, site: Site) -> None:
        site.plugin("zoo-tiny", {"tiny": [f"t{i}" for i in range(20)]})
        assert message("tiny.zzz").endswith("Its tags: " + ", ".join(f"t{i}" for i in range(12)) + ", ...")

    def test_a_scheme_is_for_create_model(self, site: Site) -> None:
        assert message("hf-hub:a/b", ModelNameError) == (
            "'hf-hub:a/b' is a repository or folder, whose config.json names the architecture: pass it to create_model"
        )


class TestConflict:
    @pytest.fixture(autouse=True)
    def two(self, site: Site) -> None:
        site.plugin("zoo-a", {"same": ["x"], "a_only": []})
        site.plugin("zoo-b", {"same": [], "b_only": []})

    def test_is_listed_in_the_qualified_forms(self) -> None:
        assert zoo.list_models() == ["a_only", "b_only", "zoo-a/same", "zoo-b/same"]
        assert zoo.list_models("same*", include_tags=True) == ["zoo-a/same.x", "zoo-b/same"]
        assert zoo.is_model("same")

    @pytest.mark.parametrize("name", ["same", "same.x"])
    def test_creating_it_raises_and_prints_the_qualified_forms(self, name: str) -> None:
        assert message(name, AmbiguousModelError) == (
            f"{name!r} is offered by zoo-a and by zoo-b. Say which you mean: 'zoo-a/{name}' or 'zoo-b/{name}'"
        )

    def test_the_qualified_forms_work(self) -> None:
        assert registry.find_model("zoo-a/same").constructor == "zoo_a:same"
        assert registry.find_model("zoo_b/same").constructor == "zoo_b:same"
        assert zoo.model_entrypoint("zoo-b/same")()[0] == "same"

    def test_a_model_of_this_process_conflicts_too(self, local: object) -> None:
        zoo.register_model(lambda **options: "mine", name="a_only")
        assert "Say which you mean: 'local/a_only' or 'zoo-a/a_only'" in message("a_only", AmbiguousModelError)
        assert zoo.model_entrypoint("local/a_only")() == "mine"


def test_one_distribution_that_offers_a_name_twice(site: Site) -> None:
    site.plugin("zoo-a", ["same"])
    lines = "[zoo_core.models]\na = zoo_a:models.json\nb = zoo_a:models.json\n"
    (site.root / "zoo_a-1.0.dist-info" / "entry_points.txt").write_text(lines)
    assert message("same", AmbiguousModelError) == (
        "'same' is offered twice by zoo-a, by its entry points 'a' and 'b': tell its authors"
    )


class TestOldNames:
    @pytest.fixture(autouse=True)
    def aliases(self, site: Site) -> None:
        site.plugin(
            "zoo-new",
            {"new": ["a", "b"], "other": ["c"]},
            aliases={"tv_new": "new.b", "ancient": "new", "new.legacy": "new.b", "other": "new"},
        )

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("tv_new", "new.b"),
            ("tv_new.a", "new.a"),
            ("ancient", "new.a"),
            ("ancient.b", "new.b"),
            ("new.legacy", "new.b"),
            ("zoo-new/ancient", "new.a"),
        ],
    )
    def test_resolve_with_one_warning_that_says_the_new_name(self, old: str, new: str) -> None:
        with pytest.warns(DeprecationWarning, match="is deprecated") as caught:
            found = registry.find_model(old)
        assert [str(warning.message) for warning in caught] == [f"model name {old!r} is deprecated: use {new!r}"]
        assert caught[0].filename == __file__
        assert found.name == new

    def test_asking_about_them_warns_of_nothing(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert zoo.is_model("tv_new")
            assert zoo.is_model_pretrained("ancient.b")
            assert not zoo.is_model("zoo-x/tv_new")
            assert zoo.list_models() == ["new", "other"]

    def test_an_architecture_goes_before_an_old_name(self) -> None:
        assert registry.find_model("other").name == "other.c"

    def test_an_unknown_tag_of_an_old_name(self) -> None:
        assert message("ancient.z").startswith("unknown model 'ancient.z': ancient has no such tag. Its tags: a, b")

    def test_two_plugins_may_map_one_old_name(self, site: Site) -> None:
        site.plugin("zoo-rival", ["rival"], aliases={"ancient": "rival"})
        zoo.refresh()
        assert message("ancient", AmbiguousModelError) == (
            "'ancient' is offered by zoo-new and by zoo-rival. Say which you mean: "
            "'zoo-new/ancient' or 'zoo-rival/ancient'"
        )
        with pytest.warns(DeprecationWarning, match="use 'rival'"):
            assert registry.find_model("zoo-rival/ancient").name == "rival"

    def test_a_circle_of_old_names_ends(self, site: Site) -> None:
        site.plugin("zoo-circle", ["circle"], aliases={"x": "y", "y": "x"})
        zoo.refresh()
        assert message("x").startswith("unknown model 'x': no installed plugin offers it")


class TestSelection:
    @pytest.fixture(autouse=True)
    def two(self, site: Site) -> None:
        for name in ("a", "b"):
            site.plugin(f"zoo-{name}", [f"{name}net"])

    @pytest.mark.parametrize(
        ("variable", "value", "names"),
        [
            ("ZOO_PLUGINS", "zoo-a", ["anet"]),
            ("ZOO_PLUGINS", "Zoo_A, zoo.b", ["anet", "bnet"]),
            ("ZOO_PLUGINS", "zoo-a zoo-c", ["anet"]),
            ("ZOO_PLUGINS", "*", ["anet", "bnet"]),
            ("ZOO_PLUGINS", "", ["anet", "bnet"]),
            ("ZOO_DISABLE_PLUGINS", "zoo-a", ["bnet"]),
            ("ZOO_DISABLE_PLUGINS", "*", []),
        ],
    )
    def test_allow_and_deny(self, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, names: list[str]) -> None:
        monkeypatch.setenv(variable, value)
        assert zoo.list_models() == names

    def test_deny_goes_before_allow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ZOO_PLUGINS", "zoo-a zoo-b")
        monkeypatch.setenv("ZOO_DISABLE_PLUGINS", "zoo-b")
        assert zoo.list_models() == ["anet"]

    @pytest.mark.parametrize(("variable", "value"), [("ZOO_PLUGINS", "zoo-a"), ("ZOO_DISABLE_PLUGINS", "zoo-b")])
    def test_the_error_says_what_keeps_a_name_out(
        self, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
    ) -> None:
        monkeypatch.setenv(variable, value)
        assert message("bnet") == (
            "unknown model 'bnet': no installed plugin offers it. "
            f"zoo-b offers it, but {variable} keeps that plugin out. Did you mean 'anet'?"
        )


class TestRegisterModel:
    def test_lists_and_resolves_and_outlives_a_refresh(self, site: Site, local: object) -> None:
        @zoo.register_model
        def notebook_net(pretrained: bool = False) -> str:
            return "built"

        assert zoo.list_models() == ["notebook_net"]
        zoo.refresh()
        assert zoo.model_entrypoint("notebook_net") is notebook_net
        assert registry.find_model("local/notebook_net").constructor.endswith("notebook_net")
        assert zoo.list_families() == ["local"]

    def test_with_a_name_a_family_and_tags(self, site: Site, local: object) -> None:
        tags = {"v2": zoo.PretrainedCfg(url="https://x", num_classes=7), "v1": zoo.PretrainedCfg()}
        zoo.register_model(dict, name="lab", family="labs", pretrained=tags)
        assert zoo.list_pretrained() == ["lab.v2"]
        assert zoo.list_models(family="labs", include_tags=True) == ["lab.v1", "lab.v2"]
        assert zoo.get_pretrained_cfg("lab") == zoo.PretrainedCfg(
            url="https://x", num_classes=7, architecture="lab", tag="v2"
        )

    def test_the_same_cell_may_run_again_but_another_function_may_not_take_the_name(
        self, site: Site, local: object
    ) -> None:
        for result in (1, 2):
            program = f"def celled(): return {result}\n"
            namespace: dict[str, object] = {"__name__": "__main__"}
            exec(program, namespace)
            zoo.register_model(namespace["celled"])
        assert zoo.model_entrypoint("celled")() == 2
        with pytest.raises(PluginError) as caught:
            zoo.register_model(dict, name="celled")
        assert str(caught.value) == (
            "'celled' is registered already, by __main__:celled; choose another name for builtins:dict"
        )

    @pytest.mark.parametrize("name", ["a.b", "a/b", "a b", "hf-hub:a/b"])
    def test_a_name_that_none_can_have(self, site: Site, local: object, name: str) -> None:
        with pytest.raises(ModelNameError):
            zoo.register_model(dict, name=name)
