"""Lists of names: filters and natural order."""

from __future__ import annotations

from zoo_core.errors import OptionError
from zoo_core.names import natural_merge, natural_sort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from re import Match
    from typing import Any

    from zoo_core.discovery.index import Index, Plugin
    from zoo_core.discovery.manifest import Manifest


def names(
    index: Index,
    patterns: str | Sequence[str] = "",
    *,
    family: str | Sequence[str] = "",
    module: str | Sequence[str] = "",
    pretrained: bool = False,
    include_tags: bool | None = None,
    exclude_filters: str | Sequence[str] = "",
    name_matches_cfg: bool = False,
) -> list[str]:
    """See `zoo_core.registry.list_models`."""
    with_tags = pretrained if include_tags is None else include_tags
    wanted, unwanted = _patterns(patterns, with_tags), _patterns(exclude_filters, with_tags)
    families, modules = _strings(family), _strings(module)
    if not (with_tags or wanted or unwanted or families or modules or pretrained or name_matches_cfg or index.claims):
        return natural_merge(_owned(index, plugin) for plugin in index.plugins)
    matches = {slash: _matcher([one for one in wanted if ("/" in one) is slash]) for slash in (False, True)}
    rejects = _matcher(unwanted)
    listed: dict[tuple[str, int], dict[str, None]] = {}  # by qualifier and manifest
    by_tags = with_tags or pretrained or name_matches_cfg  # if not, the rows need not be parsed
    for name, manifest, qualifier, asked in _architectures(index, wanted):
        if families and manifest.family_of(name) not in families:
            continue
        if modules and not in_modules(manifest.constructor(name), modules):
            continue
        tags = (manifest.trained_tags(name) if pretrained else manifest.tags(name)) if by_tags else []
        if pretrained and not tags:
            continue
        full = [f"{name}.{tag}" for tag in tags] if with_tags and tags else [name]
        if name_matches_cfg:
            full = [one for one in full if one in manifest.configured or (one == name and tags)]
        for one in full:
            shown = qualifier + one
            if unwanted and (rejects(one) or rejects(shown)):
                continue
            if not wanted or matches["/" in asked](asked + one):
                listed.setdefault((qualifier, id(manifest)), {})[shown] = None
    # A manifest's own names are sorted.
    sorted_runs = not (by_tags or index.claims)
    return natural_merge(
        list(run) if qualifier and sorted_runs else natural_sort(run) for (qualifier, _), run in listed.items()
    )


def families(index: Index) -> list[str]:
    """The families with at least one architecture."""
    return natural_sort({manifest.family_of(name) for name, manifest, *_ in _architectures(index)})


def in_modules(constructor: str, modules: Iterable[str]) -> bool:
    """Return whether ``package.module:attribute`` lies in one of the modules or packages."""
    module = constructor.partition(":")[0] + "."
    return any(module.startswith(name + ".") for name in modules)


def _architectures(index: Index, wanted: Sequence[str] = ()) -> Iterator[tuple[str, Manifest, str, str]]:
    """Yield (architecture, manifest, qualifier, the same for patterns).

    A claimed name comes once for each claimant; where a wanted pattern has a slash, every name of
    every plugin comes too, for such patterns alone.
    """
    qualified = ["/" in pattern for pattern in wanted]
    for name, owner in [] if qualified and all(qualified) else list(index.owners.items()):
        rivals = index.claims.get(name, ())
        for plugin in rivals or (owner,):
            yield name, plugin.manifest, f"{plugin.distribution}/" if rivals else "", ""
    if any(qualified):
        for plugin in index.plugins:
            manifest, qualifier = plugin.manifest, f"{plugin.distribution}/"
            for name in manifest.names:
                yield name, manifest, qualifier, qualifier


def _owned(index: Index, plugin: Plugin) -> list[str]:
    """The names of a plugin, without those that yield to others'."""
    names = plugin.manifest.names
    return [name for name in names if index.owners[name] is plugin] if index.yielding else names


def _patterns(patterns: str | Sequence[str], with_tags: bool) -> list[str]:
    """Where tags are listed, a pattern without a tag means every tag."""
    given = _strings(patterns)
    return given + [f"{pattern}.*" for pattern in given if with_tags and "." not in pattern]


def _strings(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given] if given else []
    try:
        strings = list(given)
    except TypeError:  # no sequence at all
        strings = [given]
    for each in strings:
        if not isinstance(each, str):
            raise OptionError(f"patterns, families and modules are text, one or several, not {each!r}")
    return strings


def _matcher(patterns: list[str]) -> Callable[[str], Match[str] | None]:
    """Match one of the patterns; nothing if there is none."""
    import re
    from fnmatch import translate

    return re.compile("|".join(map(translate, patterns)) or "(?!)").match
