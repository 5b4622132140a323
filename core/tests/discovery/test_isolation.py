"""A broken plugin takes down only itself, and says whose fault it is; asking for names runs nothing
of any."""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
import zoo_core as zoo
from zoo_core import registry
from zoo_core.errors import PluginError, UnknownModelError

if TYPE_CHECKING:
    from sites import Site

WHO = "plugin zoo-bad 1.0 (entry point 'bad' = 'zoo_bad:models.json' in zoo_core.models)"


def message(name: str) -> str:
    with pytest.raises(PluginError) as caught:
        zoo.model_entrypoint(name)
    return str(caught.value)


class TestImport:
    """What goes wrong when the constructor's module is imported."""

    @pytest.mark.parametrize(
        ("source", "problem"),
        [
            ("import einops_is_missing", "it needs the module 'einops_is_missing', which is not installed"),
            (
                "from zoo_bad import nets",
                "importing zoo_bad:bad failed: ImportError: cannot import name 'nets' from ",
            ),
            (
                "import zoo_bad.nets",
                "its own module 'zoo_bad.nets' is missing, the installation is incomplete: "
                "pip install --force-reinstall zoo-bad",
            ),
            ("raise SystemExit(3)", "importing zoo_bad called exit(3)"),
            ("1 / 0", "importing zoo_bad:bad failed: ZeroDivisionError: division by zero"),
            ("def (", "importing zoo_bad:bad failed: SyntaxError: invalid syntax"),
            ("x = 1", "importing zoo_bad:bad failed: AttributeError: module 'zoo_bad' has no attribute 'bad'"),
            ("bad = 3", "importing zoo_bad:bad failed: TypeError: it is of type int, and cannot be called"),
        ],
    )
    def test_the_error_names_the_plugin_and_the_cause(self, site: Site, source: str, problem: str) -> None:
        site.plugin("zoo-bad", {"bad": ["t"]}, files={"__init__.py": source})
        site.plugin("zoo-good", ["good"])
        assert zoo.list_models(include_tags=True) == ["bad.t", "good"]
        assert message("bad").startswith(f"{WHO} is broken: {problem}")
        assert zoo.model_entrypoint("good")()[0] == "good"

    @pytest.mark.parametrize(
        ("network", "source", "problem"),
        [
            (
                "zoo_bad.model:Net",
                "import surely_missing",
                "it needs the module 'surely_missing', which is not installed",
            ),
            (
                "zoo_bad.model:Nett",
                "Net = 3",
                "importing zoo_bad.model:Nett failed: AttributeError: module 'zoo_bad.model'",
            ),
            ("zoo_bad.modle:Net", "", "its own module 'zoo_bad.modle' is missing, the installation is incomplete: pip"),
            ("zoo_bad.model:Net", "raise SystemExit(1)", "importing zoo_bad.model called exit(1)"),
        ],
    )
    def test_an_error_in_the_module_of_the_network_names_the_plugin(
        self, site: Site, network: str, source: str, problem: str
    ) -> None:
        family = (
            "from zoo_core.family import Family\n"
            "FAMILY = Family(name='bad', package=__name__, architectures={'bad': 1}, pretrained={},"
            f" network={network!r})\n"
            "bad = FAMILY.constructor('bad')\n"
        )
        site.plugin("zoo-bad", ["bad"], files={"__init__.py": family, "model.py": source})
        with pytest.raises(PluginError) as caught:
            import_module("zoo_bad").FAMILY.network_class  # noqa: B018 - what the constructor asks for first
        assert str(caught.value).startswith(f"plugin zoo-bad (family 'bad') is broken: {problem}")

    def test_the_cause_is_chained(self, site: Site) -> None:
        site.plugin("zoo-bad", ["bad"], files={"__init__.py": "1 / 0"})
        with pytest.raises(PluginError) as caught:
            zoo.model_entrypoint("bad")
        assert isinstance(caught.value.__cause__, ZeroDivisionError)

    def test_a_user_may_interrupt_an_import(self, site: Site) -> None:
        site.plugin("zoo-bad", ["bad"], files={"__init__.py": "raise KeyboardInterrupt"})
        with pytest.raises(KeyboardInterrupt):
            zoo.model_entrypoint("bad")

    def test_a_repaired_plugin_works_without_a_new_process(self, site: Site) -> None:
        package = site.plugin("zoo-bad", ["bad"], files={"__init__.py": "1 / 0"})
        assert "ZeroDivisionError" in message("bad")
        (package / "__init__.py").write_text("def bad(): return 'repaired, and longer than before'\n")
        assert zoo.model_entrypoint("bad")().startswith("repaired")


class TestManifest:
    """What goes wrong when a manifest is read: known before anything is imported."""

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("{", "its manifest in zoo_bad is not valid JSON: Expecting property name enclosed in double quotes"),
            ("", "its manifest in zoo_bad is not valid JSON: Expecting value"),
            ("\udce9".encode("utf-8", "surrogateescape"), "its manifest in zoo_bad is not valid JSON: 'utf-8' codec"),
            ("[]", "its manifest in zoo_bad holds a list, not an object"),
            ("{}", "its manifest in zoo_bad has no API version: 'api' is None"),
            ('{"api": true}', "its manifest in zoo_bad has no API version: 'api' is True"),
            ('{"api": 1}', "'architectures' of its manifest in zoo_bad is not an object of objects"),
            (
                '{"api": 1, "architectures": {"bad": 3}}',
                "'architectures' of its manifest in zoo_bad is not an object of objects",
            ),
            (
                '{"api": 1, "architectures": {}, "aliases": ["x"]}',
                "'aliases' of its manifest in zoo_bad is not an object of names",
            ),
            (
                '{"api": 1, "architectures": {"a b": {}}}',
                "its manifest offers 'a b', and no architecture can have that name",
            ),
            (
                '{"api": 1, "architectures": {"": {}, "a": {}}}',
                "its manifest offers '', and no architecture can have that name",
            ),
        ],
    )
    def test_a_manifest_that_is_none(self, site: Site, text: str | bytes, problem: str) -> None:
        package = site.plugin("zoo-bad", ["bad"])
        data = text.encode() if isinstance(text, str) else text
        (package / "models.json").write_bytes(data)
        site.plugin("zoo-good", ["good"])
        assert zoo.list_models() == ["good"]
        (bad, _) = registry.plugins()
        assert bad.state == "broken"
        assert bad.problem.startswith(problem)
        with pytest.raises(UnknownModelError) as caught:
            registry.find_model("bad")
        assert f"Plugin {WHO.removeprefix('plugin ')} might offer it, but is broken: {problem}" in str(caught.value)

    def test_a_missing_file_a_missing_package_and_a_module(self, site: Site) -> None:
        (site.plugin("zoo-bad", ["bad"]) / "models.json").unlink()
        site.info("zoo-gone", entry_points="[zoo_core.models]\ngone = zoo_gone:models.json\n")
        site.info("zoo-mod", entry_points="[zoo_core.models]\nmod = zoo_mod:models.json\n")
        (site.root / "zoo_mod.py").write_text("raise SystemExit\n")
        site.info("zoo-value", entry_points="[zoo_core.models]\nvalue = zoo_value\n")
        problems = {plugin.distribution: plugin.problem for plugin in registry.plugins()}
        assert problems.pop("zoo-bad").startswith("models.json cannot be read from its package 'zoo_bad': ")
        assert problems == {
            "zoo-gone": "its package 'zoo_gone' is not there, the installation is incomplete",
            "zoo-mod": "'zoo_mod' is a module, not a package, so that models.json cannot lie in it",
            "zoo-value": "its value 'zoo_value' is neither 'package:models.json' nor 'module:constructor'",
        }

    def test_what_follows_a_good_header_is_broken(self, site: Site) -> None:
        package = site.plugin("zoo-bad", {"bad": ["t"]})
        header = (package / "models.json").read_text().splitlines()[0]
        (package / "models.json").write_text(header + "\n nonsense")
        assert zoo.list_models() == zoo.list_models(include_tags=True) == ["bad"]
        for name in ("bad", "bad.t"):
            assert message(name).startswith(f"cannot create {name!r}: {WHO} is broken: its manifest in zoo_bad is not")

    def test_a_header_that_contradicts_the_rest(self, site: Site) -> None:
        package = site.plugin("zoo-bad", ["bad"])
        text = (package / "models.json").read_text().replace('"names": "bad"', '"names": "bad worse"')
        (package / "models.json").write_text(text)
        assert zoo.list_models() == ["bad", "worse"]
        assert message("worse") == (
            f"cannot create 'worse': {WHO} is broken: "
            "the first line of its manifest contradicts the rest: `zoo manifest` was not run"
        )

    @pytest.mark.parametrize(("api", "remedy"), [(0, "upgrade the plugin"), (2, "upgrade zoo-core")])
    @pytest.mark.parametrize("header", [True, False])
    def test_another_version_of_the_plugin_api(self, site: Site, api: int, remedy: str, header: bool) -> None:
        package = site.plugin("zoo-bad", ["bad"], header=header, files={"__init__.py": "raise SystemExit('imported')"})
        text = (package / "models.json").read_text().replace('"api": 1', f'"api": {api}')
        (package / "models.json").write_text(text)
        assert zoo.list_models() == ["bad"]
        assert registry.plugins()[0].state == "incompatible"
        assert message("bad") == (
            f"cannot create 'bad': {WHO} is incompatible: it was made for version {api} of the plugin API, "
            f"and this zoo-core has version 1: {remedy}"
        )

    def test_broken_default_configs(self, site: Site) -> None:
        site.plugin("zoo-bad", {"bad": ["t"]}, configs={"bad.t": {"num_clases": 3}})
        assert zoo.list_pretrained() == ["bad.t"]
        with pytest.raises(PluginError) as caught:
            zoo.get_pretrained_cfg("bad")
        assert str(caught.value) == (
            f"{WHO} has a broken default config 'bad.t': "
            "unknown default config field 'num_clases'. Did you mean 'num_classes'?"
        )

    def test_unreadable_default_configs(self, site: Site) -> None:
        package = site.plugin("zoo-bad", {"bad": ["t"]})
        (package / "configs.json").write_text("[1]")
        assert zoo.list_pretrained() == ["bad.t"]
        with pytest.raises(PluginError, match=r"configs\.json in zoo_bad is not an object of objects"):
            zoo.get_pretrained_cfg("bad")


AUDIT = """
import sys
root, ran = sys.argv[1], []
def audit(event, arguments):
    if event == "import" and arguments[0].startswith(("zoo_one", "zoo_two", "zoo_bad", "zoo_hooks", "torch")):
        ran.append(("import", arguments[0]))
    if event in ("exec", "compile"):
        name = getattr(arguments[0], "co_filename", None) or arguments[-1]
        if str(name).startswith(root):
            ran.append((event, str(name)))
    if event == "open" and str(arguments[0]).startswith(root) and str(arguments[0]).endswith((".py", ".pyc")):
        ran.append((event, arguments[0]))
sys.addaudithook(audit)
import warnings; warnings.simplefilter("ignore")
import zoo_core as zoo
from zoo_core import registry
from zoo_core.cli.main import main
from zoo_core.errors import ZooError
zoo.list_models(); zoo.list_models("o*", include_tags=True, module="zoo_one", name_matches_cfg=True)
zoo.list_pretrained(); zoo.list_families(); zoo.is_model("one"); zoo.is_model_pretrained("old")
zoo.get_pretrained_cfg("one.t"); zoo.get_pretrained_cfg_value("one", "url"); registry.find_model("one")
for name in ("onr", "densenet121", "two.x", "same", "zoo-two/none", "incompatible", "a b", "bad"):
    try:
        registry.find_model(name)
    except ZooError as error:
        assert str(error)
for argv in (["list"], ["list", "--tags"], ["plugins"], ["plugins", "--json"], ["doctor"], ["doctor", "--json"],
             ["info", "one"], ["info", "one.t", "--json"], ["info", "onr"], ["completion", "bash"]):
    main(argv)
assert not ran, ran
import zoo_one
assert ran, "the audit sees nothing"
"""


def test_asking_for_names_runs_nothing_of_any_plugin(site: Site) -> None:
    site.plugin("zoo-one", {"one": ["t"], "same": []}, aliases={"old": "one"})
    site.plugin("zoo-two", ["two", "same"], files={"__init__.py": "raise SystemExit('imported')"})
    bad = site.plugin("zoo-bad", ["bad"])
    (bad / "models.json").write_text("{")
    site.plugin("zoo-future", ["incompatible"], header=False, api=7)
    site.package("zoo_hooks", {"__init__.py": "raise SystemExit('imported')"})
    site.info("zoo-hooks", entry_points="[zoo_core.hooks]\nhooks = zoo_hooks\n")
    site.run(AUDIT, str(site.root), bare=False)


def test_resolving_one_name_imports_one_module_and_reads_one_manifest(site: Site) -> None:
    for i in range(5):
        site.plugin(f"zoo-p{i}", {f"net{i}": ["t"]}, files={"extra.py": "1 / 0"})
    program = """
import sys, json
parsed = []
real = json.loads
json.loads = lambda data, **options: parsed.append(data) or real(data, **options)
from zoo_core.registry import find_model, list_models, load_constructor
assert len(list_models()) == 5 and not parsed
load_constructor(find_model("net3"))
assert len(parsed) == 1 and b"zoo_p3:net3" in parsed[0], parsed
assert [name for name in sys.modules if name.startswith("zoo_p")] == ["zoo_p3"]
"""
    site.run(program)


def test_a_listing_imports_neither_torch_nor_what_is_slow(site: Site) -> None:
    site.plugin("zoo-one", {"one": ["t"]})
    program = """
import sys, json
before = set(sys.modules)
import zoo_core; zoo_core.list_models()
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    loaded = set(json.loads(site.run(program).stdout))
    slow = {"dataclasses", "importlib.metadata", "importlib_metadata", "inspect", "logging", "pathlib", "re", "typing"}
    assert loaded & (slow | {"torch", "pluggy", "threading"}) == set()
