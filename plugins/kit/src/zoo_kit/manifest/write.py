"""A plugin's ``models.json``, ``configs.json`` and ``facts.json``, from its tables.

The files are deterministic to the byte: the same tables give the same files on every machine. What
no table and no network knows is the accuracy of weights: a plugin keeps it in ``results.json``,
which is checked here, and written in one form.
"""

from __future__ import annotations

import json
from contextlib import suppress
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.config import PretrainedCfg
from zoo_core.discovery.facts import read_results
from zoo_core.discovery.manifest import API, HEADER, parsed
from zoo_core.errors import PluginError
from zoo_core.family import Family
from zoo_core.names import is_architecture, natural_sort
from zoo_core.registry import plugins

from zoo_kit.manifest.type_stub import constructor_stub

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import ModuleType

    from torch import nn

MODELS_FILE = "models.json"
CONFIGS_FILE = "configs.json"
FACTS_FILE = "facts.json"
RESULTS_FILE = "results.json"
"""Written if a plugin has one."""
STUB_FILE = "__init__.pyi"
"""Written if a plugin has one; an empty file is a start."""


def families_of(package: str) -> list[Family]:
    """Import a package, and return the families that it declares, in the order of their names.

    Raises:
        PluginError: if it cannot be imported, declares none, or two that would share their files.
    """
    for plugin in plugins():
        if plugin.entry_point.module == package and (bridge := plugin.manifest.bridge):
            what = f"{package!r} is a bridge to {bridge.distribution}, whose tables `zoo manifest` cannot ask for"
            raise PluginError(f"{what}: run the plugin's own script, which calls zoo_kit.manifest.bridge.bridge_texts")
    try:
        module: ModuleType = import_module(package)
    except (Exception, SystemExit) as error:
        kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
        raise PluginError(f"cannot import the package {package!r}: {kind}{error}") from error
    families = {id(value): value for value in vars(module).values() if isinstance(value, Family)}
    found = sorted(families.values(), key=lambda family: family.name)
    if not found:
        raise PluginError(f"package {package!r} declares no zoo_core.Family")
    packages = [family.package for family in found]
    for family in found:
        if packages.count(family.package) > 1:
            raise PluginError(f"two families say that they lie in {family.package!r}: give each a package of its own")
    return found


def manifest_texts(family: Family) -> dict[str, str]:
    """Return the files of a family by name. Builds and runs each network, on the meta device."""
    architectures: dict[str, dict[str, Any]] = {}
    configs: dict[str, dict[str, Any]] = {}
    facts: dict[str, dict[str, Any]] = {}
    known = set(family.architectures)
    for name in known:
        if not is_architecture(name):
            raise PluginError(f"family {family.name!r}: no architecture can be named {name!r}")
    for name in family.pretrained:
        if name.partition(".")[0] not in known:
            raise PluginError(f"family {family.name!r} has weights {name!r}, but no such architecture")
    for alias, target in family.aliases.items():
        if alias in known or (target not in family.pretrained and target not in known):
            why = "it is an architecture's name" if alias in known else f"there is no {target!r}"
            raise PluginError(f"family {family.name!r} has an alias {alias!r} that cannot work: {why}")
    for name in family.architectures:
        tags = family.tags(name)
        architectures[name] = _row(family, name, tags)
        described = {f"{name}.{tag}": cfg for tag, cfg in tags.items()}
        described = described or {name: family.pretrained.get(name, PretrainedCfg())}
        net = _network(family, name, family.default_cfg(name))
        facts[name] = _measured(net, family, name)
        configs |= _derived(net, described)
    header = HEADER.format(
        api=API,
        family=family.name,
        configs=CONFIGS_FILE,
        names=" ".join(natural_sort(architectures)),
        old_names=" ".join(family.aliases),
    )
    texts = {CONFIGS_FILE: table_text(configs), FACTS_FILE: table_text(facts)}
    named = {"facts": FACTS_FILE}
    if results := _results(family):
        texts[RESULTS_FILE], named["results"] = table_text(results), RESULTS_FILE
    body = table_text({**named, "architectures": architectures, "aliases": dict(family.aliases)})
    return {MODELS_FILE: f"{header}\n{body.removeprefix('{').lstrip()}", **texts}


def write_manifest(package: str, *, check: bool = False) -> list[Path]:
    """Write the files of every family that a package declares, beside its ``__init__``.

    Args:
        package: importable name, ``"zoo_resnet"``.
        check: write nothing, and return the files that are out of date.

    Returns:
        The files that changed.

    Raises:
        PluginError: see `families_of`; also for tables that contradict themselves.
    """
    changed = []
    for family in families_of(package):
        directory = Path(str(import_module(family.package).__file__)).parent
        texts = manifest_texts(family)
        if (directory / STUB_FILE).is_file():
            texts[STUB_FILE] = constructor_stub(family)
        for name, text in texts.items():
            path = directory / name
            if not path.is_file() or path.read_bytes() != text.encode():
                changed.append(path)
                if not check:
                    path.write_bytes(text.encode())
    return changed


def _row(family: Family, name: str, tags: dict[str, PretrainedCfg]) -> dict[str, Any]:
    """Return the row of an architecture in ``models.json``."""
    row: dict[str, Any] = {"constructor": f"{family.package}:{name}"}
    if tags:
        row |= {"default": next(iter(tags)), "tags": list(tags)}
        if untrained := [tag for tag, cfg in tags.items() if not cfg.has_weights]:
            row["untrained"] = untrained
    return row


def _network(family: Family, architecture: str, cfg: PretrainedCfg, device: str = "meta") -> nn.Module:
    """Build a network as its default config has it, with its classes, without loading anything."""
    from zoo_core.building.materialise import building, complete
    from zoo_core.building.narrow import adapt_model_to_state_dict
    from zoo_core.building.options import network_options, split_options

    make = family.network_class
    options = network_options(make, cfg, {})
    arguments, options = split_options(make, architecture, family.architectures[architecture], options)
    with building(device) as deferral:
        net = make(*arguments, **options)
        if shapes := family.pruned_shapes(architecture):
            adapt_model_to_state_dict(net, shapes)
    complete(net, deferral, device)
    return net


def _measured(net: nn.Module, family: Family, architecture: str) -> dict[str, Any]:
    """Return the facts of an architecture.

    Raises:
        PluginError: if the network cannot run the images of its default config.
    """
    from zoo_kit.manifest.facts import facts_of

    cfg = family.default_cfg(architecture)
    fixed = cfg.fixed_input_size
    with suppress(Exception):  # a network that looks at values runs in memory alone
        return facts_of(net, cfg.input_size, fixed_input_size=fixed)
    try:
        return facts_of(_network(family, architecture, cfg, "cpu"), cfg.input_size, fixed_input_size=fixed)
    except Exception as error:
        what = f"{architecture} cannot run an image of {cfg.input_size}: {type(error).__name__}: {error}"
        raise PluginError(what) from error


def _derived(net: nn.Module, cfgs: dict[str, PretrainedCfg]) -> dict[str, dict[str, Any]]:
    """Return the default configs as JSON, completed by the facts derived from the network."""
    from zoo_core.network.infer import completed

    rows = {}
    for name, cfg in cfgs.items():
        whole = completed(net, cfg)
        if cfg.has_weights and cfg.size is None and not (cfg.url or "").startswith("package:"):
            whole = whole.overlaid({"size": bytes_of(net, cfg.num_classes)})
        # The key says both. A table that states them must make the same file as one that does not.
        rows[name] = {key: value for key, value in whole.to_json().items() if key not in ("architecture", "tag")}
    return rows


def _results(family: Family) -> dict[str, Any]:
    """Read a family's ``results.json``, and check it; empty if it has none.

    Raises:
        PluginError: for what is no result, and a result of weights that the family does not have.
    """
    file = files(family.package).joinpath(RESULTS_FILE)
    if not file.is_file():
        return {}
    rows, what = parsed(file.read_bytes(), RESULTS_FILE), f"{RESULTS_FILE} of family {family.name!r}"
    if not isinstance(rows, dict):
        raise PluginError(f"{what} is not an object")
    for name, row in rows.items():
        read_results(row, f"{what}, {name!r}")
        if name not in family.pretrained:
            raise PluginError(f"{what} has a result of {name!r}, and no such weights")
    return {name: rows[name] for name in family.pretrained if name in rows}


def bytes_of(net: nn.Module, num_classes: int) -> int:
    """Count the bytes of the state dict of `net` with a classifier for `num_classes` classes."""
    total = sum(tensor.numel() * tensor.itemsize for tensor in net.state_dict().values())
    classifier: Any = getattr(net, "get_classifier", lambda: None)()
    if rows := getattr(classifier, "out_features", 0):
        return total + (num_classes - rows) * sum(tensor.nbytes // rows for tensor in classifier.parameters())
    hidden: int = getattr(net, "head_hidden_size", 0)
    return total + num_classes * (hidden + 1) * 4


def table_text(values: dict[str, Any], nested: Collection[str] = ("architectures", "aliases")) -> str:
    """Return JSON with one line for each row, so that a changed row is a changed line.

    `nested` names the tables whose rows are meant, not themselves.
    """
    rows = []
    for key, value in values.items():
        if key in nested and value:
            inner = ",\n".join(f"  {_line(name)}: {_line(row)}" for name, row in value.items())
            rows.append(f"{_line(key)}: {{\n{inner}\n}}")
        else:
            rows.append(f"{_line(key)}: {_line(value)}")
    return "{\n" + ",\n".join(rows) + "\n}\n"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
