"""The commands for authors: `zoo_new`, `zoo_manifest` and `zoo_check`."""
