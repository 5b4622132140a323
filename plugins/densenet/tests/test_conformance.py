"""The conformance kit over the plugin, and programs of every kind of network."""

from zoo_kit.conformance import PluginConformance, ProgramConformance

OPTIONS = {"growth_rate": 8, "block_config": (2, 2, 2, 2), "num_classes": 5, "memory_efficient": True}
VARIANTS = {
    "plain": ("densenet121", {}),
    "blur": ("densenetblur121d", {}),
    "in-place activated batch norm": ("densenet264d_iabn", {}),
}
QUICK = {"plain"}


class TestConformance(PluginConformance):
    plugin = "zoo-densenet"


class TestPrograms(ProgramConformance):
    plugin = "zoo-densenet"
    options = OPTIONS
    variants = VARIANTS
    quick = QUICK
    mark = "exhaustive"
