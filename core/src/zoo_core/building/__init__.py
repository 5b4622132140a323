"""From a model name to a model.

`resolve` finds the constructor and the default config; `build` has the steps from there in their
order; `options` shares out what the caller chose; `materialise` constructs and initialises;
`narrow` sets pruned widths. `deferred` spares random draws that weights replace, and `copies`
the construction of a layer like one before.
"""
