"""The commands for image files, a file each: ``zoo features`` and ``zoo classify``."""
