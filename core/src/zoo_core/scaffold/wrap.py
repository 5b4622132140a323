"""Wrap a class: look at it, and fill the templates of a plugin around a copy of its file."""

from __future__ import annotations

import importlib
import re
import warnings
from typing import TYPE_CHECKING, Any

import torch

from zoo_core.scaffold.module import arguments_of, images_of, is_free, load_class, logits_of
from zoo_core.scaffold.render import template
from zoo_core.scaffold.walk import Walk, find_walk
from zoo_core.testing.checks.programs import PROGRAMS, differences

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from torch import nn

    from zoo_core.scaffold.names import Names


def wrap(source: str, names: Names, input_size: tuple[int, int] | None) -> tuple[dict[str, str], dict[str, str]]:
    """Look at ``FILE.py:Class``.

    Returns:
        What placeholders stand for, beyond or in place of those of a plugin without an original; and the templates that
        take the place of others, by path.

    Raises:
        OptionError: when there is no such file or class, or it needs arguments.
        PluginError: when its forward cannot be written as a walk.
    """
    path, original = load_class(source)
    options, left_out = arguments_of(original)
    net = original()
    height, width, channels, classes = images_of(net, input_size)
    torch.manual_seed(0)
    images = torch.randn(2, channels, height, width)
    walk = find_walk(net, images)
    bound = [name for name, default in options.items() if not is_free(original, name, default, walk, images)]
    fields = [_field(name, default) for name, default in options.items() if name not in bound]
    fixed = not logits_of(net, channels, height + 32, width + 32)
    cfg = f"\n    input_size=({channels}, {height}, {width}),\n    num_classes={classes},\n"
    cfg += "    fixed_input_size=True,\n" * fixed
    if channels != 3:
        half = f"({'0.5, ' * channels})".replace(", )", ")" if channels > 1 else ",)")
        cfg += f"    mean={half},\n    std={half},\n"
    values = {
        "original": original.__name__,
        "fields": "\n".join(fields),
        "cfg": cfg,
        "channels": str(channels),
        "classes": str(classes),
        "height": str(height),
        "width": str(width),
        "ruff_exclude": f'\nextend-exclude = ["src/{names.package}/original.py"] # as its author wrote it',
        "mypy_overrides": f'\n[[tool.mypy.overrides]]\nmodule = "{names.package}.original"\nignore_errors = true\n',
        "rows": "\n".join(f'    "{name}": {names.network}Config(),' for name in names.architectures),
        "notes": "\n".join(_notes(walk, [*left_out, *bound], fixed=fixed, size=(height, width))),
        **_written(net, walk),
    }
    replaced = {
        "src/PACKAGE/model.py": template("model.py"),
        "src/PACKAGE/config.py": template("config.py"),
        "src/PACKAGE/original.py": path.read_text(encoding="utf-8").replace("$", "$$"),
    }
    return values, replaced


def _written(net: nn.Module, walk: Walk) -> dict[str, str]:
    lines: list[str] = []
    for index, statements in enumerate(walk.stages):
        guard = _guard(walk.parts[index], index)
        inner = [f"    {line}" if guard else line for line in statements]
        lines += [guard] * bool(guard and inner) + inner
        if index < len(walk.maps):
            lines += [f"if {index} in taps:", "    maps.append(x)"]
    code = "\n".join([*lines, *walk.head, walk.logits])
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
        "declared": "\n".join(f"        {name}: Any" for name in _used(net, code)),
        "stages": "\n".join(f"        {line}" for line in lines),
        "head": "".join(f"        {line}\n" for line in walk.head),
        "logits": walk.logits,
        "torch_imports": "\n".join(torch_imports),
        "dropped": dropped,
    }


def _guard(part: tuple[str, ...], index: int) -> str:
    """What a stage after the first begins with: wrappers drop what no wanted map needs."""
    if index == 0:
        return ""
    top = part[0].partition(".")[0] if part and "." not in part[0] else ""
    return f"if self.{top} is not None and last >= {index}:" if top else f"if last >= {index}:"


def _used(net: nn.Module, code: str) -> list[str]:
    """The names of the module's own children and parameters that the code mentions."""
    own = list(net._modules)
    own += [name for name, _ in (*net.named_parameters(recurse=False), *net.named_buffers(recurse=False))]
    return [name for name in own if re.search(rf"self\.{name}\b", code)]


def _tuple(names: Iterable[str], indent: int) -> str:
    """A tuple of names, over several lines where one is not enough."""
    quoted = [f'"{name}"' for name in names]
    line = f"({', '.join(quoted)}{',' * (len(quoted) == 1)})"
    if len(line) + indent < 105:
        return line
    inner = "".join(f"{' ' * (indent + 4)}{name},\n" for name in quoted)
    return f"(\n{inner}{' ' * indent})"


def claim_programs(package: str, architecture: str, model: Path) -> None:
    """Write into the new network's file which programs can be made of it, by trying."""
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


def _notes(walk: Walk, left_out: list[str], *, fixed: bool, size: tuple[int, int]) -> list[str]:
    notes = [f"feature maps: {', '.join(walk.maps)}; classifier: {walk.classifier}"]
    if fixed:
        notes.append(f"images: {size[0]}x{size[1]} only")
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
