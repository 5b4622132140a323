"""Zoo under other libraries' names: `timm`, which the package zoo-compat serves."""
