"""A state dict into a network.

`state_dict` finds it in a file; `unwrap` takes wrappers' prefixes off the names; `load` has the
steps for a default config's weights; `plain` makes plain tensors; `adapt` fits channels and
classes;
`assign` checks and fills the network's tensors; `checkpoint` is for files of a training.
"""
