"""The kit for authors of Zoo plugins.

`scaffold` writes a new plugin, `manifest` lists what it offers, `conformance` checks it; `hooks`
adds the commands in `commands` to ``zoo``. `zoo_kit.conformance` exports what plugins use.
"""
