"""The conformance kit over the plugin, and programs of every kind of network."""

from zoo_kit.conformance import PluginConformance, ProgramConformance

SHALLOW = {"depth": (1, 1, 1, 1, 1)}
OPTIONS = {"num_classes": 10, "zero_init_last": False}
VARIANTS = {
    "csp, bottlenecks, stem pool": ("cspresnet50d", {"depth": (1, 1, 1, 1)}),
    "csp, dark blocks": ("cspdarknet53", SHALLOW),
    "dark stages, se": ("sedarknet21", SHALLOW),
    "average-pooled": ("darknetaa53", SHALLOW),
    "cs3": ("test_cspnet", {}),
    "cs3, focus, edge blocks, blur": ("cs3darknet_focus_s", {"block_type": "edge", "aa_layer": "blur"}),
    "in-place activated batch norm": ("cspdarknet53_iabn", SHALLOW),
    "dilated": ("cs3darknet_s", {"output_stride": 8}),
    "dropping": ("test_cspnet", {"drop_rate": 0.1, "drop_path_rate": 0.1}),
}
QUICK = {"cs3"}


class TestConformance(PluginConformance):
    plugin = "zoo-cspnet"


class TestPrograms(ProgramConformance):
    plugin = "zoo-cspnet"
    options = OPTIONS
    variants = VARIANTS
    quick = QUICK
    mark = "exhaustive"
