"""The static files of a plugin, made from its tables.

`write` makes ``models.json`` and ``configs.json``, `bridge` those of a bridge, with
``older.json``, `facts` the rows of ``facts.json``, `type_stub` the stub ``__init__.pyi``.
"""

from zoo_kit.manifest.facts import facts_of as facts_of
from zoo_kit.manifest.write import write_manifest as write_manifest
