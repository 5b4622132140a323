"""Which names there are: filters and natural order."""

from __future__ import annotations

from zoo_core.discovery.natural_order import natural_merge, natural_sort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from re import Match

    from zoo_core.discovery.index import Index, Plugin


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
        return natural_merge(plugin.manifest.names for plugin in index.plugins if plugin.manifest)
    matches, rejects = _matcher(wanted), _matcher(unwanted)
    listed = []
    for name, plugin, qualifier in _architectures(index):
        assert plugin.manifest is not None
        if families and plugin.manifest.family_of(name) not in families:
            continue
        if modules and not in_modules(plugin.manifest.constructor(name), modules):
            continue
        tags = plugin.manifest.trained_tags(name) if pretrained else plugin.manifest.tags(name)
        if pretrained and not tags:
            continue
        full = [f"{name}.{tag}" for tag in tags] if with_tags and tags else [name]
        if name_matches_cfg:
            full = [one for one in full if one in plugin.manifest.configured or (one == name and tags)]
        listed += [qualifier + one for one in full if (not wanted or matches(one)) and not (unwanted and rejects(one))]
    return natural_sort(listed)


def families(index: Index) -> list[str]:
    """The families that offer something."""
    return natural_sort({p.manifest.family_of(name) for name, p, _ in _architectures(index) if p.manifest})


def in_modules(constructor: str, modules: Iterable[str]) -> bool:
    """Whether ``package.module:attribute`` lies in one of the modules or packages."""
    module = constructor.partition(":")[0] + "."
    return any(module.startswith(name + ".") for name in modules)


def _architectures(index: Index) -> Iterator[tuple[str, Plugin, str]]:
    """(architecture, plugin, qualifier): where several claim a name, each is listed in its qualified form."""
    claims = index.claims
    for name, plugin in list(index.owners.items()):
        if name in claims:
            for rival in claims[name]:
                yield name, rival, f"{rival.distribution}/"
        else:
            yield name, plugin, ""


def _patterns(patterns: str | Sequence[str], with_tags: bool) -> list[str]:
    """A pattern without a tag stands for every tag, where tags are listed."""
    given = _strings(patterns)
    return given + [f"{pattern}.*" for pattern in given if with_tags and "." not in pattern]


def _strings(given: str | Sequence[str]) -> list[str]:
    return ([given] if given else []) if isinstance(given, str) else list(given)


def _matcher(patterns: list[str]) -> Callable[[str], Match[str] | None]:
    import re
    from fnmatch import translate

    return re.compile("|".join(translate(pattern) for pattern in patterns)).match
