"""The engines by name, and which are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from zoo_core.errors import OptionError, did_you_mean

from zoo_inference.engines import in_torch, on_gpu
from zoo_inference.engines.onnxruntime import onnxruntime
from zoo_inference.engines.openvino import openvino
from zoo_inference.engines.subject import Run, Subject


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A way to run a network.

    Attributes:
        build: makes it.
        cpu: tried on a CPU.
        cuda: tried on a GPU.
        in_torch: needs PyTorch alone.
        least_budget: seconds below which it is tried only by name, as building it takes long.
        by_name: tried only by name, as it computes in another precision.
        own_weights: has weights of its own on the heap, which it moves to large pages.
        program: runs from an ONNX file, which is saved with the model.
    """

    build: Callable[[Subject], Run]
    cpu: bool = True
    cuda: bool = False
    in_torch: bool = True
    least_budget: float = 0.0
    by_name: bool = False
    own_weights: bool = False
    program: bool = False


ENGINES = {
    "winograd": Engine(build=in_torch.winograd, own_weights=True),
    "fused": Engine(build=in_torch.fused, own_weights=True),
    "grown": Engine(build=in_torch.grown, own_weights=True),
    "openvino": Engine(build=openvino, in_torch=False, program=True),
    "onnxruntime": Engine(build=onnxruntime, in_torch=False, program=True),
    "cuda_graph": Engine(build=on_gpu.cuda_graph, cpu=False, cuda=True),
    "folded_channels_last": Engine(build=in_torch.folded_channels_last, cuda=True),
    "folded": Engine(build=in_torch.folded, cuda=True),
    "channels_last": Engine(build=in_torch.plain_channels_last, cuda=True),
    "script": Engine(build=in_torch.script, cuda=True),
    "compile": Engine(build=in_torch.compiled, cuda=True, least_budget=300.0),
    "bfloat16": Engine(build=in_torch.bfloat16, cuda=True, by_name=True),
    "float16": Engine(build=in_torch.float16, cuda=True, by_name=True),
}
"""Every engine, in the order in which they are tried: what is likely to win comes first."""
AS_GIVEN = "as given"
"""The name of the model itself among the engines."""


def chosen_engines(backends: str | Iterable[str], device: str, budget_s: float) -> list[str]:
    """Return the names of the engines to try.

    Args:
        backends: "auto" for all that fit the device and the budget, "torch" for those of them that
            need PyTorch alone, or names.
        device: the type of the device: "cpu", "cuda".
        budget_s: seconds for the search.

    Raises:
        OptionError: for a name that is no engine's.
    """
    if backends in ("auto", "torch"):
        return [
            name
            for name, engine in ENGINES.items()
            if (engine.cuda if device == "cuda" else engine.cpu)
            and (engine.in_torch or backends == "auto")
            and not engine.by_name
            and budget_s >= engine.least_budget
        ]
    names = [backends] if isinstance(backends, str) else list(backends)
    for name in names:
        if name not in ENGINES:
            there_are = f"; there are auto, torch, {', '.join(ENGINES)}"
            raise OptionError(f"unknown backend {name!r}{did_you_mean(str(name), ENGINES) or there_are}")
    return names
