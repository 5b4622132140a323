"""A bridge's manifest, from a table for each version of the library: the newest, and differences.

A bridge's own script makes the tables, in environments that have one version each, and passes them
to `bridge_texts`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from zoo_core.config import PretrainedCfg
from zoo_core.discovery.bridge import LINE, TABLES, Bridge
from zoo_core.discovery.manifest import API, HEADER
from zoo_core.names import natural_sort

from zoo_kit.manifest.write import CONFIGS_FILE, FACTS_FILE, MODELS_FILE, RESULTS_FILE, table_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Table = Mapping[str, Mapping[str, Any]]

OLDER_FILE = "older.json"


def bridge_texts(
    family: str,
    requires: str,
    module: str,
    tables: Mapping[str, Table],
    *,
    facts: Mapping[str, Any] | None = None,
    results: Mapping[str, Any] | None = None,
    yields: Sequence[str] = (),
) -> dict[str, str]:
    """Return the files of a bridge's manifest by name; the same tables give the same bytes.

    Args:
        family: of architectures whose row names none.
        requires: the library, ``timm>=1.0.24``.
        module: its import name.
        tables: version of the library, newest first, to ``architectures``, ``aliases`` and
            ``configs``, see `bridge_row` and `config_row`.
        facts: architecture to its row of ``facts.json``, see `zoo_kit.manifest.facts`; of every
            version's architectures.
        results: ``architecture.tag`` to its row of ``results.json``.
        yields: the distributions of other bridges, whose offer of an architecture goes before.

    Raises:
        PluginError: for fields that no manifest can have.
    """
    versions = list(tables)
    older = OLDER_FILE if len(versions) > 1 else ""
    Bridge(requires, module, versions, older, list(yields))  # raises what reading would
    newest = tables[versions[0]]
    header = HEADER.format(
        api=API,
        family=family,
        configs=CONFIGS_FILE,
        names=" ".join(natural_sort(newest["architectures"])),
        old_names=" ".join(newest["aliases"]),
    )
    listed = {"versions": " ".join(versions), "yields": " ".join(yields)}
    line = LINE.format(requires=requires, module=module, older=older, **listed)
    extra = {"facts": (FACTS_FILE, facts), "results": (RESULTS_FILE, results)}
    named = {key: file for key, (file, rows) in extra.items() if rows}
    body = table_text({**named, **{table: dict(newest[table]) for table in TABLES[:2]}})
    texts = {
        MODELS_FILE: f"{header}\n{line}\n{body.removeprefix('{').lstrip()}",
        CONFIGS_FILE: table_text(dict(newest["configs"])),
    }
    texts |= {file: table_text(dict(rows)) for file, rows in extra.values() if rows}
    if older:
        texts[OLDER_FILE] = _nested(
            {
                version: {table: _difference(tables[newer][table], tables[version][table]) for table in TABLES}
                for newer, version in pairwise(versions)
            }
        )
    return texts


def bridge_row(
    tags: Mapping[str, PretrainedCfg], *, family: str | None = None, constructor: str | None = None
) -> dict[str, Any]:
    """Return the row of an architecture.

    Args:
        tags: to default configs, the default first.
        family: other than the manifest's.
        constructor: ``module:attribute``; by default the attribute of the plugin's package that
            has the architecture's name.
    """
    row: dict[str, Any] = {"constructor": constructor, "family": family, "tags": list(tags)}
    row["untrained"] = [tag for tag, cfg in tags.items() if not cfg.has_weights]
    return {key: value for key, value in row.items() if value}


def config_row(cfg: PretrainedCfg) -> dict[str, Any]:
    """Return a default config as JSON, without what its name says."""
    return {key: value for key, value in cfg.to_json().items() if key not in ("architecture", "tag")}


def _difference(newer: Mapping[str, Any], older: Mapping[str, Any]) -> dict[str, Any]:
    """Return what turns the rows of a newer version into those of an older one."""
    gone = dict.fromkeys(name for name in newer if name not in older)
    return gone | {name: row for name, row in older.items() if newer.get(name) != row or name not in newer}


def _nested(versions: Mapping[str, Mapping[str, Any]]) -> str:
    inner = (f'"{version}": {table_text(dict(tables), TABLES).rstrip()}' for version, tables in versions.items())
    return "{\n" + ",\n".join(inner) + "\n}\n"
