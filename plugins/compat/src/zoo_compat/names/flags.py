"""timm's global switches. Zoo's networks script and export as they are: nothing reads these."""

from __future__ import annotations

from typing import Any, Self

_switches = {"scriptable": False, "exportable": False, "no_jit": False, "fused_attn": True, "reentrant": False}


class _Switch:
    """Sets a switch at once; as a context manager, also back."""

    switch: str

    def __init__(self, enable: bool = True) -> None:
        self.before = _switches[self.switch]
        _switches[self.switch] = bool(enable)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _switches[self.switch] = self.before


class set_scriptable(_Switch):  # noqa: N801 - timm's name
    """Say that models made next will be scripted."""

    switch = "scriptable"


class set_exportable(_Switch):  # noqa: N801 - timm's name
    """Say that models made next will be exported."""

    switch = "exportable"


class set_no_jit(_Switch):  # noqa: N801 - timm's name
    """Say that models made next shall use no scripted functions; Zoo's use none."""

    switch = "no_jit"


class set_layer_config:  # noqa: N801 - timm's name
    """Set several of the switches, and set them back at the end of a context."""

    def __init__(
        self,
        scriptable: bool | None = None,
        exportable: bool | None = None,
        no_jit: bool | None = None,
        no_activation_jit: bool | None = None,
    ) -> None:
        self.before = dict(_switches)
        chosen = {"scriptable": scriptable, "exportable": exportable, "no_jit": no_jit}
        _switches.update({name: value for name, value in chosen.items() if value is not None})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _switches.update(self.before)


def is_scriptable() -> bool:
    """Return what `set_scriptable` set last."""
    return _switches["scriptable"]


def is_exportable() -> bool:
    """Return what `set_exportable` set last."""
    return _switches["exportable"]


def is_no_jit() -> bool:
    """Return what `set_no_jit` set last."""
    return _switches["no_jit"]


def get_notrace_modules() -> list[type[Any]]:
    """Return the classes that torch.fx shall not look into: none of Zoo's."""
    return []


def get_notrace_functions() -> list[Any]:
    """Return the functions that torch.fx shall not look into: none of Zoo's."""
    return []
