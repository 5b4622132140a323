"""Feature maps: which ones a network has, and the wrappers that make an extractor of any network.

The life of a wrapper: `indices` reads what is wanted, `info` says what the maps are, `adopt` makes the network itself
yield maps, less the modules that no wanted map needs, and each wrapper decides how maps are collected and returned.
"""
