"""The texts of a plugin around an existing network."""

from __future__ import annotations

import importlib
import re
import warnings
from typing import TYPE_CHECKING, Any

import torch

from zoo_kit.conformance.checks.programs import PROGRAMS, differences
from zoo_kit.scaffold.module import Images, arguments_of, images_of, is_free
from zoo_kit.scaffold.original import load_original
from zoo_kit.scaffold.render import template
from zoo_kit.scaffold.statements import dotted
from zoo_kit.scaffold.walk import Walk, find_walk

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from torch import nn

    from zoo_kit.scaffold.names import Names


def wrap(source: str, names: Names, input_size: tuple[int, int] | None) -> tuple[dict[str, str], dict[str, str]]:
    """Read ``FILE.py:Class`` or ``package.module:Class``, and write its forward as a walk.

    Returns:
        The values of placeholders, beyond or instead of those of `values_of`; and templates by
        path, which replace others or are added.

    Raises:
        OptionError: if there is no such file or class, or it needs arguments.
        PluginError: if its forward cannot be written as a walk.
    """
    original = load_original(source)
    options, left_out = arguments_of(original)
    net = original.make()
    taken = images_of(original, net, input_size)
    torch.manual_seed(0)
    images = torch.randn(2, taken.channels, taken.height, taken.width)
    walk = find_walk(net, images)
    bound = [name for name, default in options.items() if not is_free(original, name, default, walk, images)]
    fields = [_field(name, default) for name, default in options.items() if name not in bound]
    fixed = taken.fixed or any(layout.kind == "NLC" for layout in walk.layouts)
    values = {
        "original": original.name,
        "original_module": original.module or f"{names.package}.original",
        "fields": "\n".join(fields),
        "cfg": _cfg(taken, fixed=fixed),
        "channels": str(taken.channels),
        "classes": str(taken.classes),
        "height": str(taken.height),
        "width": str(taken.width),
        "requirements": "".join(f', "{requirement}"' for requirement in original.requirements),
        "rows": "\n".join(f'    "{name}": {names.network}Config(),' for name in names.architectures),
        "notes": "\n".join(_notes(walk, [*left_out, *bound], taken, original.requirements, fixed=fixed)),
        **_written(net, walk),
    }
    replaced = {"src/PACKAGE/model.py": template("model.py"), "src/PACKAGE/config.py": template("config.py")}
    if original.path is None:
        values["mypy_overrides"] = _override(f"{original.module.partition('.')[0]}.*", "ignore_missing_imports")
        return values, replaced
    values["ruff_exclude"] = f'\nextend-exclude = ["src/{names.package}/original.py"] # as its author wrote it'
    values["mypy_overrides"] = _override(f"{names.package}.original", "ignore_errors")
    text = original.path.read_text(encoding="utf-8")
    return values, replaced | {"src/PACKAGE/original.py": text.replace("$", "$$")}


def _override(module: str, option: str) -> str:
    return f'\n[[tool.mypy.overrides]]\nmodule = "{module}"\n{option} = true\n'


def _cfg(taken: Images, *, fixed: bool) -> str:
    """Return the arguments of the default config."""
    channels = taken.channels
    cfg = f"\n    input_size=({channels}, {taken.height}, {taken.width}),\n    num_classes={taken.classes},\n"
    cfg += "    fixed_input_size=True,\n" * fixed
    if channels != 3:
        half = f"({'0.5, ' * channels})".replace(", )", ")" if channels > 1 else ",)")
        cfg += f"    mean={half},\n    std={half},\n"
    return cfg


def _written(net: nn.Module, walk: Walk) -> dict[str, str]:
    lines: list[str] = []
    for index, statements in enumerate(walk.stages):
        guard = _guard(walk.parts[index], index)
        keep = [f"if {index} in taps:", "    maps.append(x)"] * (index < len(walk.maps))
        lines += [guard] * bool(guard and statements) + [f"    {line}" if guard else line for line in statements] + keep
    head = list(walk.head)
    code = "\n".join([*lines, *head, walk.logits])
    used = _used(net, code)
    torch_imports = ["import torch"] * ("torch." in code.replace("torch.nn", "")) + ["from torch import Tensor"]
    torch_imports += ["from torch.nn import functional"] * ("functional." in code)
    dropped = (
        f"\n\n    {walk.dropped} after the classifier is left out: a network of Zoo returns logits."
        if walk.dropped
        else ""
    )
    return {
        "first_conv": walk.first_conv,
        "classifier": walk.classifier,
        "maps": _tuple(walk.maps, 12),
        "parts": "(\n" + "".join(f"            {_tuple(part, 12)},\n" for part in walk.parts) + "        )",
        "programs": _tuple(PROGRAMS, 8),
        "layouts": _layouts(walk),
        "any": ", Any" if used else "",
        "declared": _declared([f"        {name}: Any\n" for name in used]),
        "stages": "\n".join(f"        {line}" for line in lines),
        "head": "".join(f"        {line}\n" for line in head),
        "logits": walk.logits,
        "torch_imports": "\n".join(torch_imports),
        "dropped": dropped,
    }


def _declared(lines: list[str]) -> str:
    return (
        "\n".join(["    if TYPE_CHECKING:  # modules and parameters of the original", "".join(lines), ""])
        if lines
        else ""
    )


def _guard(part: tuple[str, ...], index: int) -> str:
    """Return the condition of a stage after the first, as wrappers drop stages."""
    if index == 0:
        return ""
    top = part[0] if part and "." not in part[0] else ""
    return f"if {dotted(top)} is not None and last >= {index}:" if top else f"if last >= {index}:"


def _layouts(walk: Walk) -> str:
    """Return the layouts of the maps as arguments of the plan; empty if all are NCHW."""
    found = [(layout.kind, layout.height, layout.width) for layout in walk.layouts[:-1]]
    if all(kind == "NCHW" for kind, _, _ in found):
        return ""
    rows = ", ".join(f'("{kind}", {height}, {width})' for kind, height, width in found)
    prefix = max(layout.prefix for layout in walk.layouts[:-1])
    tokens = f"\n        num_prefix_tokens={prefix}," if prefix else ""
    return f"\n        layouts=({rows}{',' * (len(found) == 1)}),{tokens}"


def _used(net: nn.Module, code: str) -> list[str]:
    """Return the names that the code uses of the module's children and parameters."""
    own = [name for name in net._modules if not name.isdigit()]
    own += [name for name, _ in (*net.named_parameters(recurse=False), *net.named_buffers(recurse=False))]
    return [name for name in own if re.search(rf"self\.{name}\b", code)]


def _tuple(names: Iterable[str], indent: int) -> str:
    """Return a tuple of names as code, over several lines if one is too short."""
    quoted = [f'"{name}"' for name in names]
    line = f"({', '.join(quoted)}{',' * (len(quoted) == 1)})"
    if len(line) + indent < 105:
        return line
    inner = "".join(f"{' ' * (indent + 4)}{name},\n" for name in quoted)
    return f"(\n{inner}{' ' * indent})"


def claim_programs(package: str, architecture: str, model: Path) -> None:
    """Try each program on the new network, and write those that work into its file."""
    family = importlib.import_module(package).FAMILY
    net = family.constructor(architecture)().eval()
    height, width = net.plan.image_size
    images = torch.randn(2, net.in_chans, height, width)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of its own machinery
        working = [name for name in PROGRAMS if not list(differences(name, net, images))]
    text = model.read_text(encoding="utf-8")
    claim = "    programs: ClassVar[tuple[str, ...]] = "
    model.write_text(text.replace(claim + _tuple(PROGRAMS, 8), claim + _tuple(working, 8)), encoding="utf-8")


def _notes(walk: Walk, left_out: list[str], taken: Images, requirements: tuple[str, ...], *, fixed: bool) -> list[str]:
    notes = [f"feature maps: {', '.join(walk.maps)}; classifier: {walk.classifier}"]
    kinds = dict.fromkeys(layout.kind for layout in walk.layouts if layout.kind != "NCHW")
    if kinds:
        notes.append(f"its maps are {' and '.join(kinds)}; Zoo yields them as NCHW, (batch, channels, height, width)")
    if fixed:
        notes.append(f"images: {taken.height}x{taken.width} only")
    if requirements:
        notes.append(f"requires: {', '.join(requirements)}")
    if walk.dropped:
        notes.append(f"left out, as a network of Zoo returns logits: {walk.dropped}")
    if left_out:
        notes.append(
            f"no options, but what the class has by default, as the walk depends on them: {', '.join(left_out)}"
        )
    return notes


def _field(name: str, default: Any) -> str:
    kind = f"tuple[{type(default[0]).__name__}, ...]" if isinstance(default, tuple) else type(default).__name__
    return f"\n    {name}: {kind} = {default!r}"
