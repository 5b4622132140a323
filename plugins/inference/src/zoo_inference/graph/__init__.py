"""Passes over a network's graph: the same function, in fewer and faster operations.

`trace` makes the graph of a network and takes out what does nothing in eval mode, `fold` takes
norms into convolutions, `grow` lets dense blocks write into one buffer, `tile` computes 3x3
convolutions by the tiles of `winograd`, `fuse` uses oneDNN's convolutions that end in an activation
or a sum, and writes over what nothing reads any more. `record` makes a program of the result.
`nodes` reads and writes single operations, `onednn` has PyTorch's private operators, and `scripts`
has them for programs.
"""
