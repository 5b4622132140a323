"""Writing new plugins: `names` says what everything is called, `render` fills the templates, `write` makes the folder.

`module` looks at a class that is to be wrapped, and `walk` writes its forward as a walk over stages.
"""
