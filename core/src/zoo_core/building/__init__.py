"""From a network class and a default config to a model.

`build` has the steps in their order; `infer` reads facts of a config off a network; `narrow` sets pruned widths.
`deferred`, `draw` and `meta` spare work that weights or the meta device make useless.
"""
