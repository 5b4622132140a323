"""Passes over a network's graph: the same function, in fewer and faster operations.

`trace` makes the graph of a network and takes out what does nothing in eval mode, `fold` takes
norms into convolutions, `grow` lets dense blocks write into one buffer, `fuse` uses oneDNN's
convolutions that end in an activation or a sum. `nodes` reads and writes single operations.
"""
