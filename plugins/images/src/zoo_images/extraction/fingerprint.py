"""The settings and versions that decide the bytes of an output, recorded with it."""

from __future__ import annotations

import contextlib
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import torch
from zoo_core.errors import OptionError

from zoo_images.extraction.decoders import description

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_images.extraction.network import FeatureNetwork
    from zoo_images.extraction.sources.base import Source

_LIBRARIES = ("zoo-core", "zoo-images", "torch", "pyarrow")
_ENGINES = ("zoo-inference", "onnxruntime", "openvino")
_TRANSFORM = ("input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std")


def fingerprint_of(network: FeatureNetwork, source: Source, decoder: str, layout: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that two runs with the same output have in common, as JSON types.

    Args:
        network: the network and how it runs.
        source: the images.
        decoder: what makes pixels of them.
        layout: how rows are grouped: sizes of batches and shards, format.
    """
    options = network.options
    return {
        "model": options.model,
        "weights": network.weights_hash,
        "features": list(network.features),
        "transform": {name: _plain(network.cfg[name]) for name in _TRANSFORM},
        "decoder": description(decoder, source, network.cfg),
        "device": _device_name(options.device, network.threads),
        "dtype": options.dtype,
        "channels_last": options.channels_last,
        "optimized": network.optimized,
        "images": len(source),
        "source": source.fingerprint(),
        **layout,
        "versions": _versions(_LIBRARIES + (_ENGINES if network.optimized else ())),
    }


def require_same(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> None:
    """Refuse to go on with an output that other settings began.

    Raises:
        OptionError: naming each field that differs, with both values.
    """
    differing = [
        f"{name} was {old.get(name)!r} and is {new.get(name)!r}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    if differing:
        raise OptionError(
            f"{where!r} was begun otherwise: {'; '.join(differing)}. Run it as it was begun, or write to another folder"
        )


def _device_name(device: str, threads: int) -> str:
    """Return the device and what its kernels depend on: instructions and threads, or the GPU."""
    if torch.device(device).type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}"
    ability = torch.backends.cpu.get_cpu_capability()
    return f"{device} ({platform.machine()}, {ability}, {threads} threads)"


def _versions(distributions: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in distributions:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
