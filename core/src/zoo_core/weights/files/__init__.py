"""From a file on disk to a state dict.

`detect` tells formats apart, `read` opens one; `safetensors` and `torch_file` are the two formats; `rehearsal` examines
a pickle and `unpickle` converts a trusted one; `mapping`, `aligned` and `installed` decide what is mapped instead of
copied; `complete` tells a whole file from one that ends early.
"""
