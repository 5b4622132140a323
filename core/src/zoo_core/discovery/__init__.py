"""Finding what the installed plugins offer, as data: nothing in here runs a line of a plugin, or imports torch.

``entry_points`` (who offers something) to ``manifest`` (what it offers) to ``index`` (by name) to ``lookup`` and
``listing`` (questions), each a step that knows nothing of the next. `zoo_core.registry` keeps the one index.
"""
