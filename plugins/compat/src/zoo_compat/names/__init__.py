"""timm's functions and classes, each a thin layer over Zoo's; a file for each module of timm.

`top` (``timm``), `models`, `layers`, `data`, `utils`; `networks` has the families' classes, and
`flags` timm's global switches. Only `top` and `flags` import no torch.
"""
