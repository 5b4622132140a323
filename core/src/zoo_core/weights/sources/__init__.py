"""The sources of weights: one module each, an implementation of the hook ``zoo_fetch_weights``.

`local`: files and packages. `url`: http and https. `hub`: the Hugging Face Hub. `mirror`: a server
in front of both. Other packages add sources by the entry-point group ``zoo_core.hooks``.
"""
