"""The committed tables are the installed timm's: names, tags, configs, old names."""

from __future__ import annotations

import subprocess
import sys

import peers
import pytest
import zoo_core as zoo
from zoo_core import registry
from zoo_core.config import PretrainedCfg
from zoo_core.discovery import doctor
from zoo_core.discovery.entry_points import scan
from zoo_core.discovery.index import Index, read_plugin
from zoo_core.discovery.lookup import find
from zoo_core.errors import UnknownModelError

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def timm():
    peers.prepare()
    import timm

    return timm


@pytest.fixture(scope="module")
def manifest():
    (plugin,) = (plugin for plugin in registry.plugins() if plugin.distribution == "zoo-timm")
    return plugin.manifest


def test_no_architecture_is_missing_and_none_too_many(timm, manifest):
    assert sorted(manifest.names) == sorted(timm.list_models())
    assert manifest.bridge.table == timm.__version__


def test_tags_and_weights_are_timms(timm, manifest):
    ours = [f"{name}.{tag}" for name in manifest.names for tag in manifest.tags(name)]
    theirs = [name for name in timm.list_models(include_tags=True) if "." in name]
    assert sorted(ours) == sorted(theirs)
    trained = [f"{name}.{tag}" for name in manifest.names for tag in manifest.trained_tags(name)]
    assert sorted(trained) == sorted(name for name in timm.list_pretrained() if "." in name)
    for name in manifest.names:
        assert (manifest.default(name) or None) == timm.get_pretrained_cfg(name).tag


def test_every_field_of_every_config_is_timms(timm, manifest):
    assert len(manifest.configs) > 1800
    for name, values in manifest.configs.items():
        theirs = vars(timm.get_pretrained_cfg(name))
        ours = PretrainedCfg.from_dict(values)
        for field in set(theirs) & set(ours) - {"architecture", "tag", "custom_load"}:
            expected = PretrainedCfg()[field] if theirs[field] is None else theirs[field]
            got = ours[field]
            assert (tuple(expected) if isinstance(expected, list) else expected) == got, f"{field} of {name}"
        assert ours.custom_load == bool(theirs["custom_load"])


def test_old_names_lead_where_timm_leads(timm, manifest):
    from timm.models import _registry

    expected = {old: new for old, new in _registry._deprecated_models.items() if new}
    nowhere = {old for old, new in expected.items() if not timm.is_model_pretrained(new) and "." in new}
    assert len(nowhere) < 3
    assert manifest.aliases == {old: new for old, new in expected.items() if old not in nowhere}
    with pytest.warns(DeprecationWarning, match=r"use 'convnext_tiny.fb_in22k_ft_in1k'"):
        assert registry.find_model("convnext_tiny_in22ft1k").tag == "fb_in22k_ft_in1k"


def test_every_architecture_is_known_before_it_is_built(manifest):
    for name in manifest.names:
        known = zoo.describe(f"zoo-timm/{name}")
        assert known.parameters, name
        assert known.macs, name
        assert len(known.channels) == len(known.reductions) == len(known.modules) > 0, name


def test_a_family_is_a_module_of_timm(timm, manifest):
    from timm.models import _registry

    assert {name: manifest.family_of(name) for name in manifest.names} == {
        name: _registry._model_to_module[name] for name in manifest.names
    }


def test_the_doctor_finds_nothing_wrong():
    assert [problem for problem in doctor.examine(registry.current_index()) if problem.distribution == "zoo-timm"] == []


def test_listing_and_describing_import_neither_torch_nor_timm():
    program = (
        "import sys; import zoo_core as zoo; from zoo_core import registry\n"
        "names = zoo.list_models(); assert len(names) > 1370, len(names)\n"
        "assert zoo.get_pretrained_cfg('vit_base_patch16_224.augreg_in21k_ft_in1k').input_size == (3, 224, 224)\n"
        "print([name for name in ('torch', 'timm', 'torchvision', 'zoo_timm', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


@pytest.fixture
def older(tmp_path, monkeypatch):
    def make(version: str) -> Index:
        info = tmp_path / f"timm-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: timm\nVersion: {version}\n")
        installed = scan()
        installed.chosen["timm"] = str(info)
        index = Index()
        for entry in installed.entry_points:
            if entry.distribution == "zoo-timm":
                index.add(read_plugin(entry, installed.chosen))
        return index

    return make


@pytest.mark.parametrize(
    ("version", "count"), [("1.0.24", 1284), ("1.0.28", 1293), ("1.0.30", 1351), ("1.0.31", 1371), ("1.1.0", 1371)]
)
def test_an_older_timm_has_its_own_names(older, version, count):
    (plugin,) = older(version).plugins
    assert len(plugin.manifest.names) == count
    assert plugin.state == "ready"
    assert len(plugin.manifest.configs) > count
    assert all(plugin.manifest.tags(name) is not None for name in plugin.manifest.names)


def test_a_model_that_is_newer_says_which_timm_it_needs(older):
    with pytest.raises(UnknownModelError, match=r"needs timm>=1\.0\.31, and 1\.0\.30 is installed: pip install --up"):
        find(older("1.0.30"), "cspnext_l")


def test_a_timm_that_is_too_old_is_said_before_it_is_imported(older):
    (plugin,) = older("1.0.20").plugins
    assert plugin.state == "incomplete"
    assert plugin.problem == "it needs timm>=1.0.24, and version 1.0.20 is installed: pip install 'timm>=1.0.24'"
