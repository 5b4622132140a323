"""Engines for CUDA."""

from __future__ import annotations

import threading
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from zoo_inference.engines.subject import Run, Subject
from zoo_inference.refused import Refused

MOST_GRAPHS = 8
"""Shapes of input that are kept as graphs; each holds memory of its own."""


def cuda_graph(subject: Subject) -> Run:
    """The network's kernels recorded once for each shape of input, and launched together."""
    if subject.example.device.type != "cuda":
        raise Refused("it is for CUDA")
    net = subject.best
    graphs: dict[tuple[int, ...], tuple[Any, Tensor, Any]] = {}
    lock = threading.Lock()

    def run(x: Tensor) -> Any:
        shape = tuple(x.shape)
        with lock:
            if shape not in graphs:
                if len(graphs) >= MOST_GRAPHS:
                    return net(x)
                graphs[shape] = _record(net, x)
            graph, place, output = graphs[shape]
            place.copy_(x)
            graph.replay()
            return pytree.tree_map(torch.clone, output)

    return run


def _record(net: Any, x: Tensor) -> tuple[Any, Tensor, Any]:
    """Record one run, after some on a side stream, as PyTorch's documentation asks for."""
    place = x.clone()
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            net(place)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = net(place)
    return graph, place, output
