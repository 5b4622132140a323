"""The conformance kit over the plugin, and programs of every kind of network."""

from zoo_kit.conformance import PluginConformance, ProgramConformance

OPTIONS = {"num_classes": 10}
VARIANTS = {
    "legacy": ("legacy_xception", {}),
    "aligned": ("test_xception", {}),
    "preactivated": ("test_xception", {"preact": True}),
    "dilated": ("test_xception", {"output_stride": 8}),
    "dropping": ("test_xception", {"drop_rate": 0.1, "drop_path_rate": 0.1}),
}
QUICK = {"aligned"}


class TestConformance(PluginConformance):
    plugin = "zoo-xception"


class TestPrograms(ProgramConformance):
    plugin = "zoo-xception"
    options = OPTIONS
    variants = VARIANTS
    quick = QUICK
    mark = "exhaustive"
