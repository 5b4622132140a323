"""`describe`: everything that is known of a model without building it, and tables of models.

All of it is read off manifests and the files beside them, and of a repository off its config.json:
no plugin runs, torch is not imported.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, overload

from zoo_core.building.resolve import NamedModel, resolve_model
from zoo_core.config import PretrainedCfg
from zoo_core.discovery.facts import Facts, Result, find_facts, find_results
from zoo_core.errors import OptionError, did_you_mean
from zoo_core.names import ModelName, parse_model_name
from zoo_core.registry import find_pretrained_cfg
from zoo_core.weights.licence import allowed_licences, group_of, is_allowed

COLUMNS = ("model", "params", "macs", "top-1", "licence")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Description:
    """What is known of a model. None, or nothing in a tuple: its plugin does not say."""

    name: str
    """``architecture.tag``, or the architecture alone; qualified if it was asked for so; a
    repository's own."""
    architecture: str
    tag: str | None
    tags: tuple[str, ...]
    """All tags of the architecture, its default first."""
    family: str
    distribution: str
    """The package that offers it."""
    parameters: int | None
    macs: int | None
    """Multiply-adds for one image of `input_size`."""
    activations: int | None
    """Numbers that convolutions and matrix products yield for it."""
    input_size: tuple[int, int, int] | None
    """(channels, height, width)."""
    fixed_input_size: bool
    channels: tuple[int, ...]
    """Of each feature map, from the first to the last."""
    reductions: tuple[int, ...]
    """Input size over map size, the stride, of each feature map."""
    modules: tuple[str, ...]
    """The names of the modules that yield the feature maps."""
    layouts: tuple[str, ...]
    """The axes of each: ``"NCHW"``, ``"NHWC"`` or ``"NLC"``."""
    num_classes: int | None
    has_weights: bool
    bytes: int | None
    """Of the weights, about."""
    license: str | None
    license_group: str
    """One of `zoo_core.weights.licence.GROUPS`."""
    origin: str | None
    paper: tuple[str, ...]
    results: tuple[Result, ...]
    """Accuracies on ImageNet-1k, one for each image size that was tested."""

    @property
    def best(self) -> Result | None:
        """The result with the highest top-1."""
        return max(self.results, key=lambda result: result.top1, default=None)

    @property
    def top1(self) -> float | None:
        """The top-1 accuracy of the best result, in percent."""
        return self.best.top1 if self.best else None

    @property
    def macs_of_best(self) -> int | None:
        """Multiply-adds at the image size of the best result: about, they grow with its area."""
        if self.macs is None or self.input_size is None or self.best is None:
            return self.macs
        return round(self.macs * self.best.image_size**2 / (self.input_size[1] * self.input_size[2]))

    @property
    def shown_maps(self) -> str:
        """The feature maps in words, channels/stride of each: ``"64/2 256/4 512/8 512/8:NHWC"``."""
        columns = zip(self.channels, self.reductions, self.layouts, strict=True)
        return " ".join(f"{c}/{r}" + (f":{layout}" if layout != "NCHW" else "") for c, r, layout in columns)

    def to_dict(self) -> dict[str, Any]:
        """Return every field and ``top1``, as plain values."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        results = [{name: getattr(one, name) for name in Result.__slots__} for one in self.results]
        return {**fields, "top1": self.top1, "results": results}

    def cells(self) -> tuple[str, ...]:
        """The model's row under `COLUMNS`, in words."""
        counts = (short(self.parameters), short(self.macs), in_percent(self.top1))
        return (self.name, *counts, self.license or self.license_group)

    def _repr_html_(self) -> str:
        return Descriptions([self])._repr_html_()


class Descriptions(list[Description]):
    """Descriptions of several models; a notebook shows them as a table."""

    def select(
        self,
        *,
        max_params: float | None = None,
        max_macs: float | None = None,
        min_top1: float | None = None,
        license: str = "",  # noqa: A002 - the name that configs know
        sort: str = "",
    ) -> Descriptions:
        """Return some of the models; one whose figure is not known is not within a bound.

        Args:
            max_params: greatest count of parameters.
            max_macs: greatest count of multiply-adds.
            min_top1: least top-1 accuracy, in percent.
            license: groups or licences, separated by commas, as ``ZOO_LICENSES`` takes them.
            sort: one of `SORTS`: best first, models without the figure last; empty: as they are.

        Raises:
            OptionError: for another `sort`.
            ConfigError: for a misspelt group of licences.
        """
        allowed = allowed_licences(license)
        chosen = [
            one
            for one in self
            if _within(one.parameters, max_params)
            and _within(one.macs, max_macs)
            and (min_top1 is None or (one.top1 is not None and one.top1 >= min_top1))
            and is_allowed(one.license, allowed)
        ]
        if sort:
            if sort not in SORTS:
                raise OptionError(f"cannot sort by {sort!r}{did_you_mean(sort, SORTS)}; there are {', '.join(SORTS)}")
            attribute, sign = SORTS[sort]
            known = [one for one in chosen if getattr(one, attribute) is not None]
            unknown = [one for one in chosen if getattr(one, attribute) is None]
            chosen = sorted(known, key=lambda one: sign * getattr(one, attribute)) + unknown
        return Descriptions(chosen)

    def _repr_html_(self) -> str:
        from html import escape

        lines = [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in one.cells())}</tr>" for one in self]
        head = "".join(f"<th>{column}</th>" for column in COLUMNS)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


SORTS = {"top1": ("top1", -1), "params": ("parameters", 1), "macs": ("macs", 1), "activations": ("activations", 1)}
"""Name of an order to the attribute and the sign of what is first."""


@overload
def describe(model_name: str) -> Description: ...  # type: ignore[overload-overlap] # a str is an Iterable[str], too
@overload
def describe(model_name: Iterable[str]) -> Descriptions: ...
def describe(model_name: str | Iterable[str]) -> Description | Descriptions:
    """Tell what is known of a model, or of several, without building them or importing torch.

    Examples:
        >>> import zoo_core as zoo
        >>> zoo.describe("resnet50").channels
        (64, 256, 512, 1024, 2048)
        >>> weights = zoo.describe(zoo.list_pretrained("resnet1*"))
        >>> small = weights.select(max_params=12e6, sort="top1")
        >>> small[0].name, small[0].top1
        ('resnet18d.ra4_e3600_r224_in1k', 76.012)

    Args:
        model_name: a name as `zoo_core.list_models` lists it, ``hf-hub:org/repo`` or
            ``local-dir:path``, or several.

    Raises:
        ZooError: for a name, a plugin or a repository that cannot be used, see
            `zoo_core.building.resolve.resolve_model`.
    """
    if isinstance(model_name, Iterable) and not isinstance(model_name, str):
        return Descriptions(map(describe, model_name))
    return describe_named(parse_model_name(model_name), resolve_model(model_name))


def describe_named(name: ModelName, named: NamedModel) -> Description:
    """Tell what is known of a model that was found by its name."""
    found, cfg, known = named.found, named.default_cfg, not named.is_repository
    stated = cfg or PretrainedCfg()
    return Description(
        name=str(ModelName(found.architecture, found.tag, name.distribution) if known else name),
        architecture=found.architecture,
        tag=found.tag if known else None,
        tags=tuple(found.manifest.tags(found.architecture)) if known else (),
        family=found.family,
        distribution=found.distribution,
        **_facts(named),
        num_classes=cfg.num_classes if cfg else None,
        has_weights=stated.has_weights,
        bytes=stated.size,
        license=stated.license,
        license_group=group_of(stated.license),
        origin=stated.origin_url,
        paper=(stated.paper_ids,) if isinstance(stated.paper_ids, str) else tuple(stated.paper_ids or ()),
        results=find_results(found) if known else (),
    )


def _facts(named: NamedModel) -> dict[str, Any]:
    """The architecture's facts, but of a repository only those that its options leave true."""
    facts = (None if named.options else find_facts(named.found)) or Facts()
    fields = {field: getattr(facts, field) for field in Facts.__slots__}
    if named.is_repository and named.default_cfg is not None:
        usual = find_pretrained_cfg(named.found)
        if usual is None or usual.num_classes != named.default_cfg.num_classes:
            fields["parameters"] = None
    return fields


def short(count: float | None) -> str:
    """A count in few characters: ``"25.6M"``; empty for None."""
    if count is None:
        return ""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.9995 * size:
            return f"{count / size:.3g}{unit}"
    return str(round(count))


def in_percent(accuracy: float | None) -> str:
    """An accuracy as tables show it: ``"81.24"``; empty for None."""
    return "" if accuracy is None else f"{accuracy:.2f}"


def _within(value: float | None, most: float | None) -> bool:
    return most is None or (value is not None and value <= most)
