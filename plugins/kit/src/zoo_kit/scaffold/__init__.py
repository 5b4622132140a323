"""Writing new plugins: `names` says what everything is called, `render` fills the templates, `write` makes the folder.

Around a network that exists: `original` loads it, `module` finds the images and options that it takes, `walk` writes
its forward as a walk over stages, `layout` says where its pixels are, `wrap` puts that together, and `trial` runs the
kit over it.
"""
