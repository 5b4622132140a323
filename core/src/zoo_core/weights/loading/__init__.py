"""A state dict into a network.

`load` has the steps of a default config's weights; `unwrap` takes wrappers' prefixes off the names;
`plain` makes plain tensors; `adapt` fits channels and classes; `assign` checks and fills the
network's tensors; `checkpoint` is for files of a training.
"""
