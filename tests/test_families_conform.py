"""The conformance kit over every plugin of this repository."""

from zoo_kit.conformance import PluginConformance


class TestResNet(PluginConformance):
    plugin = "zoo-resnet"


class TestDenseNet(PluginConformance):
    plugin = "zoo-densenet"


class TestXception(PluginConformance):
    plugin = "zoo-xception"


class TestCspNet(PluginConformance):
    plugin = "zoo-cspnet"
