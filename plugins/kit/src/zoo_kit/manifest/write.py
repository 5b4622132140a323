"""A plugin's ``models.json`` and ``configs.json``, from its tables.

The files are deterministic to the byte: the same tables give the same files on every machine.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.config import PretrainedCfg
from zoo_core.discovery.manifest import API, HEADER
from zoo_core.discovery.natural_order import natural_sort
from zoo_core.errors import PluginError
from zoo_core.family import Family
from zoo_core.names import is_architecture

from zoo_kit.manifest.type_stub import constructor_stub

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import ModuleType

    from torch import nn

MODELS_FILE = "models.json"
CONFIGS_FILE = "configs.json"
STUB_FILE = "__init__.pyi"
"""Written if a plugin has one; an empty file is a start."""


def families_of(package: str) -> list[Family]:
    """Import a package, and return the families that it declares, in the order of their names.

    Raises:
        PluginError: if it cannot be imported, declares none, or two that would share their files.
    """
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
    """Return both files of a family by name. Builds each network once, on the meta device."""
    architectures: dict[str, dict[str, Any]] = {}
    configs: dict[str, dict[str, Any]] = {}
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
        row: dict[str, Any] = {"constructor": f"{family.package}:{name}"}
        if tags:
            row |= {"default": next(iter(tags)), "tags": list(tags)}
            if untrained := [tag for tag, cfg in tags.items() if not cfg.has_weights]:
                row["untrained"] = untrained
        architectures[name] = row
        described = {f"{name}.{tag}": cfg for tag, cfg in tags.items()}
        configs |= _derived(family, name, described or {name: family.pretrained.get(name, PretrainedCfg())})
    header = HEADER.format(
        api=API,
        family=family.name,
        configs=CONFIGS_FILE,
        names=" ".join(natural_sort(architectures)),
        old_names=" ".join(family.aliases),
    )
    body = table_text({"architectures": architectures, "aliases": dict(family.aliases)})
    return {MODELS_FILE: f"{header}\n{body.removeprefix('{').lstrip()}", CONFIGS_FILE: table_text(configs)}


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


def _derived(family: Family, architecture: str, cfgs: dict[str, PretrainedCfg]) -> dict[str, dict[str, Any]]:
    """Return the default configs as JSON, completed by the facts derived from the network."""
    from zoo_core.building.materialise import building, complete
    from zoo_core.building.narrow import adapt_model_to_state_dict
    from zoo_core.network.infer import completed

    first = next(iter(cfgs.values()))
    with building("meta") as deferral:
        net = family.network_class(family.architectures[architecture], in_chans=first.input_size[0])
        if shapes := family.pruned_shapes(architecture):
            adapt_model_to_state_dict(net, shapes)
    complete(net, deferral, "meta")
    rows = {}
    for name, cfg in cfgs.items():
        whole = completed(net, cfg)
        if cfg.has_weights and cfg.size is None and not (cfg.url or "").startswith("package:"):
            whole = whole.overlaid({"size": _bytes_of(net, cfg.num_classes)})
        # The key says both. A table that states them must make the same file as one that does not.
        rows[name] = {key: value for key, value in whole.to_json().items() if key not in ("architecture", "tag")}
    return rows


def _bytes_of(net: nn.Module, num_classes: int) -> int:
    """Count the bytes of the state dict of `net` with a classifier for `num_classes` classes."""
    total = sum(tensor.numel() * tensor.itemsize for tensor in net.state_dict().values())
    classifier: Any = getattr(net, "get_classifier", lambda: None)()
    if rows := getattr(classifier, "out_features", 0):
        total += (num_classes - rows) * sum(tensor.nbytes // rows for tensor in classifier.parameters())
    return total


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
