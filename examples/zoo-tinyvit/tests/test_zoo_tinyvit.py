"""The conformance kit."""

from __future__ import annotations

from zoo_kit.conformance import PluginConformance


class TestConformance(PluginConformance):
    """Each check of the kit is a test."""

    plugin = "zoo-tinyvit"
