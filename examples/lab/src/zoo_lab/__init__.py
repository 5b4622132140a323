"""An example of a hook plugin for Zoo."""
