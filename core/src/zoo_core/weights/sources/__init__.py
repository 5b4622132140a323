"""Where weights come from: one module per source, each an implementation of the hook ``zoo_fetch_weights``."""

MODULES = tuple(f"zoo_core.weights.sources.{name}" for name in ("local", "url", "hub", "mirror"))
"""The sources that ship with Zoo. Other packages add theirs through the entry-point group ``zoo_core.hooks``."""
