"""From a state dict to a model.

`load` has the steps; `adapt` fits channels and classes; `assign` fills the tensors; `checkpoint` is for files of a
training run; `plain` takes tensors as plain
numbers, whatever class or device they were saved with.
"""
