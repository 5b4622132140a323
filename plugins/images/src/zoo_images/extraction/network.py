"""The network that turns batches into vectors and maps, and which of them it yields."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import re
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypedDict

import torch
import zoo_core
from torch import Tensor, nn
from zoo_core.cli.parser import foreign_code
from zoo_core.errors import MissingExtraError, OptionError, did_you_mean

from zoo_images.feature_maps import config_of, weights_of
from zoo_images.transform import normalise_pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from zoo_core.config import PretrainedCfg

KINDS = ("pooled", "pre_logits", "map0", "map-1", "map-1_whole")
"""Examples of what there is; a map has the index that it has in ``feature_info``."""
_EXAMPLES = 8
"""Images of the batch that engines are measured on."""
_MAP = re.compile(r"map(-?\d+)(_whole)?")


class NetworkFields(TypedDict, total=False):
    """The fields of `NetworkOptions` that `zoo_images.extract` takes as arguments."""

    random: bool
    checkpoint: str | None
    input_size: tuple[int, int] | None
    device: str
    dtype: str
    channels_last: bool
    optimize: bool
    threads: int | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """How the network is made and run; every field is part of a run's fingerprint."""

    model: str
    features: tuple[str, ...] = ("pooled",)
    random: bool = False
    """Seeded random weights instead of pretrained ones: to try things out."""
    checkpoint: str | None = None
    """A file of weights of the caller's own, instead of the pretrained ones."""
    input_size: tuple[int, int] | None = None
    """Height and width; None for the default config's."""
    device: str = "cpu"
    dtype: str = "float32"
    channels_last: bool = True
    """The memory format: on CPUs and GPUs most networks of convolutions run faster in it."""
    optimize: bool = False
    """Let zoo-inference look for the fastest way to run it."""
    threads: int | None = None
    """Of the CPU, that compute; None for PyTorch's number."""

    @classmethod
    def of(cls, model: str, features: Sequence[str], fields: NetworkFields) -> NetworkOptions:
        """Put arguments together.

        Raises:
            OptionError: for one that there is not, or threads below 1.
        """
        known = NetworkFields.__annotations__
        if unknown := next((name for name in fields if name not in known), None):
            raise OptionError(f"there is no option {unknown!r}{did_you_mean(unknown, known)}")
        if (threads := fields.get("threads")) is not None and threads < 1:
            raise OptionError(f"threads {threads}: at least 1")
        return cls(model=model, features=tuple(features), **fields)

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
            texts = (options.model, options.device, options.dtype, options.checkpoint or "", *options.features)
            flags = (options.random, options.channels_last, options.optimize)
            counts = (*(options.input_size or ()), options.threads or 1)
            if not all(map(_is(str), texts)) or not all(map(_is(bool), flags)) or not all(map(_is(int), counts)):
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
        optimized: the engine with which zoo-inference runs it; None where it was not asked to.
        threads: of the CPU, that compute: kernels round by their number.
    """

    def __init__(self, options: NetworkOptions, engine: str | None = None) -> None:
        """Create the network.

        Args:
            options: how.
            engine: where it is optimised, the engine that an earlier process found the fastest;
                None to look for it.

        Raises:
            MissingExtraError: where it is to be optimised, without zoo-inference.
            ZooError: for a model, a feature, a device or weights that do not exist.
        """
        inference = _inference() if options.optimize else None
        self.options = options
        self.dtype = _dtype_named(options.dtype)
        self.threads = options.threads or torch.get_num_threads()
        torch.manual_seed(0)
        with foreign_code(f"cannot create {options.model!r}"):
            weights = weights_of(options.checkpoint, random=options.random)
            net: nn.Module = zoo_core.create_model(options.model, num_classes=0, **weights)
        self.cfg = config_of(net, options.input_size)
        self.weights_hash = hash_of_weights(net)
        self.features = _resolved(options.features, len(net.feature_info))  # type: ignore[arg-type]
        self.optimized: str | None = None
        self._taken: Any = _Taken(net, self.features)
        with foreign_code(f"cannot run {options.model!r} on {options.device!r}"):
            self._taken.eval().requires_grad_(False).to(options.device, self.dtype)
            if options.channels_last:
                _to_channels_last(self._taken)
            if inference:
                example = self._images(_zeros(self.cfg).expand(_EXAMPLES, -1, -1, -1))
                with _threads(self.threads):
                    self._taken = (
                        inference.with_engine(self._taken, example, engine)
                        if engine
                        else inference.optimize(self._taken, example)
                    )
                self.optimized = self._taken.report.chosen

    def __call__(self, pixels: Tensor) -> dict[str, Tensor]:
        """Compute features, each (images, ...), of uint8 (images, height, width, channels).

        They are float32, or float16 where the network computes in it.
        """
        size = " x ".join(map(str, pixels.shape[1:]))
        with (
            foreign_code(f"{self.options.model!r} cannot take images of {size}"),
            torch.inference_mode(),
            _threads(self.threads),
        ):
            taken = self._taken(self._images(pixels))
        stored = torch.float16 if self.dtype == torch.float16 else torch.float32
        return {name: tensor.to("cpu", stored).contiguous() for name, tensor in zip(self.features, taken, strict=True)}

    @property
    def runs_in_forks(self) -> bool:
        """Whether a forked process, which has one thread, computes the same with it."""
        on_cpu = sys.platform == "linux" and torch.device(self.options.device).type == "cpu"
        return on_cpu and self.threads == 1 and self.optimized is None

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each feature of one image, found by running an image of zeros."""
        return {name: tuple(tensor.shape[1:]) for name, tensor in self(_zeros(self.cfg)).items()}

    def _images(self, pixels: Tensor) -> Tensor:
        images = normalise_pixels(pixels.to(self.options.device), self.cfg).to(self.dtype)
        return images.contiguous(memory_format=torch.channels_last) if self.options.channels_last else images


class _Taken(nn.Module):
    """A network that returns its features as a tuple."""

    def __init__(self, net: nn.Module, features: Sequence[str]) -> None:
        super().__init__()
        self.net: Any = net
        self.features = tuple(features)
        self.maps = sorted({index for kind in features if (index := _index_of(kind)) is not None})

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        if self.maps:
            last, maps = self.net.forward_intermediates(images, indices=self.maps)
        else:
            last, maps = self.net.forward_features(images), []
        taken = dict(zip((f"map{index}_whole" for index in self.maps), maps, strict=True))
        for kind in self.features:
            if kind not in taken:
                taken[kind] = self._vector(kind, last, taken)
        return tuple(taken[kind] for kind in self.features)

    def _vector(self, kind: str, last: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        if kind in ("pooled", "pre_logits"):
            return self.net.forward_head(last, pre_logits=kind == "pre_logits")
        return maps[f"{kind}_whole"].mean(dim=(-2, -1))


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """Compute on so many threads."""
    before = torch.get_num_threads()
    if count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _inference() -> Any:
    try:
        return import_module("zoo_inference")
    except ModuleNotFoundError as error:
        if error.name != "zoo_inference":
            raise
        raise MissingExtraError("the option 'optimize' is in zoo-inference: pip install zoo-inference") from error


def _to_channels_last(module: nn.Module) -> None:
    """Lay out what has height and width; PyTorch's own `to` would stumble over other tensors."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)


def _zeros(cfg: PretrainedCfg) -> Tensor:
    channels, height, width = cfg.input_size
    return torch.zeros(1, height, width, channels, dtype=torch.uint8)


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
