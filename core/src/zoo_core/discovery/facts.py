"""What people choose a model by, read without running a plugin: facts and results.

``facts.json`` has a row for each architecture, ``results.json`` one for each ``architecture.tag``;
both lie beside the manifest that names them, and are checked here, where they are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.config_fields import MAX_SIDE, Check, each, either, number, shortened, texts, whole
from zoo_core.errors import PluginError
from zoo_core.record import Record

if TYPE_CHECKING:
    from zoo_core.discovery.lookup import FoundModel

LAYOUTS = ("NCHW", "NHWC", "NLC")
"""The axes of a feature map: batch, channels, height, width, and tokens (L) of a sequence."""

_COUNT = ("a whole number that a network can have", whole(0, 1 << 53))
_MAPS = range(4097)
_SIDE = whole(1, MAX_SIDE)
_PERCENT = ("a number from 0 to 100", number(0, 100))


def _is_layout(value: object) -> bool:
    return value in LAYOUTS


FACTS: dict[str, tuple[str, Check]] = {
    "parameters": _COUNT,
    "macs": _COUNT,
    "activations": _COUNT,
    "input_size": (f"(channels, height, width), each from 1 to {MAX_SIDE}", each(_SIDE, range(3, 4))),
    "fixed_input_size": ("true or false", lambda value: type(value) is bool),
    "channels": ("a count for each feature map", each(_SIDE, _MAPS)),
    "reductions": ("a whole number for each feature map", each(_SIDE, _MAPS)),
    "modules": ("a module's name for each feature map", texts),
    "layouts": (
        f"{', '.join(LAYOUTS)}, one for all feature maps or one for each",
        either(_is_layout, each(_is_layout, _MAPS)),
    ),
}
"""Field to what it must be, in words, and whether a value is that. Others are ignored."""
RESULT: dict[str, tuple[str, Check]] = {
    "image_size": (f"pixels, from 1 to {MAX_SIDE}", _SIDE),
    "top1": _PERCENT,
    "top5": _PERCENT,
}


class Facts(Record):
    """What is known of an architecture as its default tag has it. None: not known."""

    __slots__ = tuple(FACTS)

    def __init__(
        self,
        *,
        parameters: int,
        macs: int | None = None,
        activations: int | None = None,
        input_size: tuple[int, int, int] | None = None,
        fixed_input_size: bool = False,
        channels: tuple[int, ...] = (),
        reductions: tuple[int, ...] = (),
        modules: tuple[str, ...] = (),
        layouts: tuple[str, ...] = (),
    ) -> None:
        self.parameters = parameters
        self.macs = macs
        """Multiply-adds of convolutions, matrix products and attention, for one image."""
        self.activations = activations
        """Numbers that those operations yield, for one image."""
        self.input_size = input_size
        """(channels, height, width) of the image that both were counted with."""
        self.fixed_input_size = fixed_input_size
        """Whether the network takes images of no other size."""
        self.channels = channels
        """Of each feature map, from the first to the last."""
        self.reductions = reductions
        """Input size over map size: the stride of each feature map."""
        self.modules = modules
        """The dotted names of the modules that yield the feature maps."""
        self.layouts = layouts or ("NCHW",) * len(channels)
        """The axes of what those modules yield, one of `LAYOUTS` each."""


class Result(Record):
    """A published accuracy on the validation images of ImageNet-1k, in percent."""

    __slots__ = tuple(RESULT)

    def __init__(self, *, image_size: int, top1: float, top5: float | None = None) -> None:
        self.image_size = image_size
        """Height and width of the images in the test, in pixels."""
        self.top1 = top1
        self.top5 = top5


def read_facts(row: object, what: str) -> Facts:
    """Check and read a row of ``facts.json``.

    Raises:
        PluginError: beginning with `what`; names the field and its value.
    """
    values = _checked(row, FACTS, ("parameters",), what)
    maps = len(values.get("channels", ()))
    if isinstance(values.get("layouts"), str):
        values["layouts"] = (values["layouts"],) * maps
    for field in ("reductions", "modules", *(("layouts",) if "layouts" in values else ())):
        if len(values.get(field, ())) != maps:
            raise PluginError(f"{what}: {field!r} must have a value for each of its {maps} 'channels'")
    return Facts(**values)


def read_results(rows: object, what: str) -> tuple[Result, ...]:
    """Check and read a row of ``results.json``, a list with an object for each image size.

    Raises:
        PluginError: as `read_facts`.
    """
    if not isinstance(rows, list):
        raise PluginError(f"{what} must be a list of objects, not {shortened(rows)}")
    return tuple(Result(**_checked(row, RESULT, ("image_size", "top1"), what)) for row in rows)


def find_facts(found: FoundModel) -> Facts | None:
    """The facts of a found model's architecture; None if its plugin states none.

    Raises:
        PluginError: if the plugin's facts cannot be read, or are wrong.
    """
    row = found.manifest.facts.get(found.architecture)
    what = f"plugin {found.plugin.entry_point} has broken facts of {found.architecture!r}"
    return None if row is None else read_facts(row, what)


def find_results(found: FoundModel) -> tuple[Result, ...]:
    """The published results of a found model's weights.

    Raises:
        PluginError: if the plugin's results cannot be read, or are wrong.
    """
    what = f"plugin {found.plugin.entry_point} has broken results of {found.name!r}"
    return read_results(found.manifest.results.get(found.name, []), what)


def _checked(row: object, fields: dict[str, tuple[str, Check]], required: tuple[str, ...], what: str) -> dict[str, Any]:
    """The known fields of a row, lists becoming tuples."""
    if not isinstance(row, dict):
        raise PluginError(f"{what}: it must be an object, not {shortened(row)}")
    if missing := [field for field in required if field not in row]:
        raise PluginError(f"{what}: it has no {missing[0]!r}")
    values = {}
    for field, (expected, check) in fields.items():
        if field in row:
            if not check(row[field]):
                raise PluginError(f"{what}: {field!r} must be {expected}, not {shortened(row[field])}")
            values[field] = tuple(row[field]) if isinstance(row[field], list) else row[field]
    return values
