"""The command ``zoo migrate``: `zoo_migrate`."""
