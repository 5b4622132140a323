"""The default config: what pretrained weights are and what they expect.

Torch-free, so that a plugin's tables and the command line can use it without importing torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from zoo_core.config_fields import check_fields, shortened
from zoo_core.errors import ConfigError, did_you_mean

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
INCEPTION_MEAN = (0.5, 0.5, 0.5)
INCEPTION_STD = (0.5, 0.5, 0.5)
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "box", "hamming", "lanczos")
"""Names of the filters that resize an image, as Pillow calls them."""


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class PretrainedCfg(Mapping[str, Any]):
    """A set of published weights, or, without a source, what an architecture expects as input.

    It reads both ways, by attribute and as a mapping: ``cfg.mean`` is ``cfg["mean"]``.

    Sizes are (channels, height, width) in pixels, mean and std are per channel of an image in 0..1.
    The field names are those of the field (timm's), so that a Hub repository's ``config.json``
    reads as it is.

    Raises:
        ConfigError: for a value that its field cannot have, see `zoo_core.config_fields`.
    """

    # Where the weights are; which of these is used, see `zoo_core.weights.fetch.requests_for`.
    url: str | None = None
    """``https:``, ``http:``, ``file:`` or ``package:dist_package/path/in/it.safetensors``."""
    file: str | None = None
    """A local path, used before everything else."""
    hf_hub_id: str | None = None
    """``org/repo`` or ``org/repo@revision`` on the Hugging Face Hub."""
    hf_hub_filename: str | None = None
    sha256: str | None = None
    """SHA-256 of the file in hex, whole or its first characters."""

    size: int | None = None
    """Bytes of the weights, about: those of the network's tensors. Derived from the network."""

    architecture: str | None = None
    tag: str | None = None
    custom_load: bool = False
    """The network loads its weights itself, with a ``load_pretrained`` method."""

    input_size: tuple[int, int, int] = (3, 224, 224)
    test_input_size: tuple[int, int, int] | None = None
    min_input_size: tuple[int, int, int] | None = None
    fixed_input_size: bool = False
    interpolation: str = "bicubic"
    """One of `INTERPOLATIONS`."""
    crop_pct: float = 0.875
    test_crop_pct: float | None = None
    crop_mode: str = "center"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    num_classes: int = 1000
    label_offset: int = 0
    """Leading classes of the file's classifier that are dropped (1 for a background class)."""
    label_names: tuple[str, ...] | None = None
    label_descriptions: Mapping[str, str] | None = None

    pool_size: tuple[int, int] | None = None
    """Height and width of the last feature map at `input_size`. Derived from the network."""
    first_conv: str | tuple[str, ...] | None = None
    """Module(s) that see the image's channels. Derived from the network."""
    classifier: str | tuple[str, ...] | None = None
    """Module(s) that yield the logits. Derived from the network."""

    license: str | None = None
    description: str | None = None
    origin_url: str | None = None
    paper_name: str | None = None
    paper_ids: str | tuple[str, ...] | None = None
    notes: tuple[str, ...] | None = None
    metrics: Mapping[str, float] | None = None
    """Measured figures, such as ``{"accuracy": 0.98}``, by a name that `notes` explains."""

    def __post_init__(self) -> None:
        """Check every field once, where it is made."""
        check_fields(vars(self), _DEFAULTS)

    def __getitem__(self, name: str) -> Any:
        if name not in _DEFAULTS:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(_DEFAULTS)

    def __len__(self) -> int:
        return len(_DEFAULTS)

    def __repr__(self) -> str:
        """The fields that differ from their default, long values cut."""
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in self._shown())})"

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(f"<tr><th>{name}</th><td>{escape(value)}</td></tr>" for name, value in self._shown())
        return f"<table><caption>{escape(self.model_name)}</caption><tbody>{rows}</tbody></table>"

    def _shown(self) -> Iterator[tuple[str, str]]:
        for name, default in _DEFAULTS.items():
            if (value := getattr(self, name)) != default:
                yield name, shortened(value, 200)

    @property
    def has_weights(self) -> bool:
        """Whether there is a place to load weights from."""
        return bool(self.url or self.file or self.hf_hub_id)

    @property
    def model_name(self) -> str:
        """``architecture.tag``, or what is known of it; ``"the model"`` if nothing is."""
        return ".".join(part for part in (self.architecture, self.tag) if part) or "the model"

    def to_dict(self) -> dict[str, Any]:
        """Every field, as a new plain dict."""
        return dict(self)

    def to_json(self) -> dict[str, Any]:
        """The fields that differ from their default, as JSON types."""
        return {
            field.name: _jsonable(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PretrainedCfg:
        """Read a mapping, lists becoming tuples; a config is returned as it is.

        Raises:
            ConfigError: for what is no mapping, a key that is no field, with the nearest one, or a
                wrong value.
        """
        if isinstance(values, cls):
            return values
        if not isinstance(values, Mapping):
            raise ConfigError(f"a default config must be a mapping, not {shortened(values)}")
        if not values.keys() <= _DEFAULTS.keys():
            unknown = min(map(str, values.keys() - _DEFAULTS.keys()))
            raise ConfigError(f"unknown default config field {shortened(unknown)}{did_you_mean(unknown, _DEFAULTS)}")
        fields: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in values.items()}
        return cls(**fields)

    def overlaid(self, values: Mapping[str, Any]) -> PretrainedCfg:
        """Return a copy with some fields replaced. A new source of weights is the only one.

        Raises:
            ConfigError: as `from_dict`.
        """
        if not isinstance(values, Mapping):
            raise ConfigError(f"an overlay must be a mapping of default config fields, not {shortened(values)}")
        fresh = dict.fromkeys(_SOURCE_FIELDS) if any(values.get(name) for name in _SOURCE_FIELDS[:3]) else {}
        return type(self).from_dict({**self.to_dict(), **fresh, **values})


_SOURCE_FIELDS = ("url", "file", "hf_hub_id", "hf_hub_filename", "sha256")
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(PretrainedCfg)}


def _jsonable(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value
