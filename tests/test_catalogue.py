"""The patterns by which an unknown name suggests a plugin, against everything that is installed."""

from zoo_core import registry
from zoo_core.discovery.catalogue import distribution_for, is_known


def test_every_name_suggests_the_plugin_that_it_means():
    index = registry.current_index()
    plugins = [plugin for plugin in registry.plugins() if is_known(plugin.distribution)]
    meant = {name: index.offering(name)[0] for plugin in plugins for name in plugin.manifest.names}
    for plugin in plugins:
        for old in plugin.manifest.old_names:
            meant.setdefault(old.partition(".")[0], plugin)
    assert len(meant) > 1500
    wrong = {name: distribution_for(name) for name in meant if distribution_for(name) != meant[name].distribution}
    assert wrong == {}
