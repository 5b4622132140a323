"""The static files of a plugin: `write` makes ``models.json`` from its tables, `type_stub` its ``__init__.pyi``."""
