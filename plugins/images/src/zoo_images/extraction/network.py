"""The network that turns batches into vectors and maps, and which of them it yields."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from typing import TYPE_CHECKING, Any

import torch
import zoo_core
from torch import Tensor, nn
from zoo_core.cli.parser import foreign_code
from zoo_core.errors import OptionError, did_you_mean

from zoo_images.feature_maps import config_of
from zoo_images.transform import normalise_pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

KINDS = ("pooled", "pre_logits", "map0", "map-1", "map-1_whole")
"""Examples of what there is; a map has the index that it has in ``feature_info``."""
_MAP = re.compile(r"map(-?\d+)(_whole)?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """How the network is made and run; every field is part of a run's fingerprint."""

    model: str
    features: tuple[str, ...] = ("pooled",)
    random: bool = False
    """Seeded random weights instead of pretrained ones: to try things out."""
    input_size: tuple[int, int] | None = None
    """Height and width; None for the default config's."""
    device: str = "cpu"
    dtype: str = "float32"
    channels_last: bool = False

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> NetworkOptions:
        """Read what was written down with an output.

        Raises:
            OptionError: when it has not these fields, or a value is not of its field's kind.
        """
        try:
            fields: dict[str, Any] = {
                name: tuple(each) if isinstance(each, list) else each for name, each in values.items()
            }
            options = cls(**fields)
            texts = (options.model, options.device, options.dtype, *options.features)
            flags = (options.random, options.channels_last)
            sides = options.input_size or ()
            if not all(map(_is(str), texts)) or not all(map(_is(bool), flags)) or not all(map(_is(int), sides)):
                raise TypeError("a value is of another kind")
        except (TypeError, AttributeError) as error:
            raise OptionError(f"these are no settings of a network: {error}") from error
        return options


class FeatureNetwork:
    """A network without classifier, and the features to take of it, all in one pass.

    Attributes:
        cfg: the default config, with the input size that is used.
        features: what is taken: ``pooled`` (what the network without classifier returns),
            ``pre_logits`` (what its classifier would see), ``map2`` (a feature map's mean over
            positions), ``map2_whole`` (the map itself).
    """

    def __init__(self, options: NetworkOptions) -> None:
        """Create the network.

        Raises:
            ZooError: for a model, a feature, a device or weights that do not exist.
        """
        self.options = options
        self.dtype = _dtype_named(options.dtype)
        torch.manual_seed(0)
        with foreign_code(f"cannot create {options.model!r}"):
            net = zoo_core.create_model(options.model, pretrained=not options.random, num_classes=0)
        self.cfg = config_of(net, options.input_size)
        self.weights_hash = hash_of_weights(net)
        self.features = _resolved(options.features, len(net.feature_info))  # type: ignore[arg-type]
        self._maps = sorted({index for kind in self.features if (index := _index_of(kind)) is not None})
        with foreign_code(f"cannot run {options.model!r} on {options.device!r}"):
            self._net: Any = net
            self._net.eval().requires_grad_(False).to(options.device, self.dtype)
            if options.channels_last:
                self._net.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's types lack it

    def __call__(self, pixels: Tensor) -> dict[str, Tensor]:
        """Compute features, each (images, ...), of uint8 (images, height, width, channels).

        They are float32, or float16 where the network computes in it.
        """
        size = " x ".join(map(str, pixels.shape[1:]))
        with foreign_code(f"{self.options.model!r} cannot take images of {size}"), torch.inference_mode():
            images = normalise_pixels(pixels.to(self.options.device), self.cfg).to(self.dtype)
            if self.options.channels_last:
                images = images.contiguous(memory_format=torch.channels_last)
            taken = self._take(images)
        stored = torch.float16 if self.dtype == torch.float16 else torch.float32
        return {name: taken[name].to("cpu", stored).contiguous() for name in self.features}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each feature of one image, found by running an image of zeros."""
        channels, height, width = self.cfg.input_size
        taken = self(torch.zeros(1, height, width, channels, dtype=torch.uint8))
        return {name: tuple(tensor.shape[1:]) for name, tensor in taken.items()}

    def _take(self, images: Tensor) -> dict[str, Tensor]:
        taken = {}
        if self._maps:
            last, maps = self._net.forward_intermediates(images, indices=self._maps)
            for index, values in zip(self._maps, maps, strict=True):
                taken[f"map{index}"] = values.mean(dim=(-2, -1))
                taken[f"map{index}_whole"] = values
        else:
            last = self._net.forward_features(images)
        if "pooled" in self.features:
            taken["pooled"] = self._net.forward_head(last)
        if "pre_logits" in self.features:
            taken["pre_logits"] = self._net.forward_head(last, pre_logits=True)
        return taken


def hash_of_weights(net: nn.Module) -> str:
    """Return the SHA-256 of all parameters and buffers with their names, shapes and types."""
    digest = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(memoryview(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()))
    return digest.hexdigest()


def _resolved(features: Sequence[str], count: int) -> tuple[str, ...]:
    """The features with the indices of maps counted from 0, each once, in the order asked for."""
    resolved = []
    for kind in features:
        match = _MAP.fullmatch(kind)
        if match is None and kind not in ("pooled", "pre_logits"):
            raise OptionError(f"there is no feature {kind!r}{did_you_mean(kind, KINDS)}; there are {', '.join(KINDS)}")
        if match is not None:
            index = int(match[1])
            if not -count <= index < count:
                raise OptionError(f"there is no feature {kind!r}: the network has maps {-count} to {count - 1}")
            kind = f"map{index % count}{match[2] or ''}"  # noqa: PLW2901 - the same feature by its one name
        resolved.append(kind)
    return tuple(dict.fromkeys(resolved))


def _index_of(kind: str) -> int | None:
    match = _MAP.fullmatch(kind)
    return int(match[1]) if match else None


def _is(kind: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, kind)


def _dtype_named(name: str) -> torch.dtype:
    dtypes = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if name not in dtypes:
        raise OptionError(f"there is no dtype {name!r}{did_you_mean(name, dtypes)}; there are {', '.join(dtypes)}")
    return dtypes[name]
