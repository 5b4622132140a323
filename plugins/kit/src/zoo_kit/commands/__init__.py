"""The commands of authors, a file each: ``zoo new``, ``zoo manifest``, ``zoo check``."""
