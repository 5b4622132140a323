"""Writing new plugins: `names` and `licence`, `render` for the templates, `write` for the folder.

Around an existing network: `original` loads it, `module` finds its images and options, `walk` cuts
its forward into stages, `layout` finds the axes of its maps, `statements` writes the code, `wrap`
fills the templates with that, and `trial` runs the kit over the result.
"""
