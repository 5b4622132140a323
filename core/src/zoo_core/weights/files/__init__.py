"""A file of weights on disk into what it holds.

`detect` tells formats apart; `read` reads any of them; `safetensors` and `torch_file` are the two
formats, `archive` is a zip or tar around one; `rehearsal` examines a pickle; `mapping`, `aligned`
and `installed` are for files that are mapped instead of copied.
"""
