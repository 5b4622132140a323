"""The conformance kit over the plugin, and programs of every kind of network."""

from zoo_kit.conformance import PluginConformance, ProgramConformance

SHALLOW = {"layers": (1, 1, 1, 1)}
OPTIONS = {"num_classes": 10, "zero_init_last": False}
VARIANTS = {
    "basic": ("resnet18", SHALLOW),
    "deep stem": ("resnet50d", SHALLOW),
    "groups": ("resnext50_32x4d", SHALLOW),
    "se": ("senet154", SHALLOW),
    "eca": ("ecaresnet50t", SHALLOW),
    "ceca": ("resnet18", {"attn_layer": "ceca", **SHALLOW}),
    "cbam": ("resnet18", {"attn_layer": "cbam", **SHALLOW}),
    "gc": ("resnet18", {"attn_layer": "gc", **SHALLOW}),
    "average anti-aliasing": ("resnetaa50d", SHALLOW),
    "blur": ("resnetblur50d", SHALLOW),
    "group norm": ("resnet50_gn", SHALLOW),
    "resnet-rs": ("resnetrs50", SHALLOW),
    "mixed blocks": ("test_resnet", {}),
    "pruned": ("ecaresnet50d_pruned", {}),
    "dilated": ("resnet26d", {"output_stride": 8}),
    "dropping": ("test_resnet", {"drop_rate": 0.1, "drop_path_rate": 0.1, "drop_block_rate": 0.1}),
}
QUICK = {"mixed blocks"}


class TestConformance(PluginConformance):
    plugin = "zoo-resnet"


class TestPrograms(ProgramConformance):
    plugin = "zoo-resnet"
    options = OPTIONS
    variants = VARIANTS
    quick = QUICK
    mark = "exhaustive"
