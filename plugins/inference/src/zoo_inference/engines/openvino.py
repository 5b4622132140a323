"""OpenVINO, of the extra ``zoo-inference[openvino]``."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo_inference.engines.subject import Run, Subject
from zoo_inference.graph.trace import first_line
from zoo_inference.refused import Refused

if TYPE_CHECKING:
    from openvino import Core

MOST_SHAPES = 4
"""Batch sizes that are kept compiled; the least recently used goes first."""


def openvino(subject: Subject) -> Run:
    """OpenVINO, compiled for each batch size when it first comes."""
    core, program = the_core(), subject.program
    options = {
        "INFERENCE_PRECISION_HINT": "f32",  # the default is bfloat16 on some machines
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    requests: OrderedDict[tuple[int, ...], Any] = OrderedDict()
    lock = threading.Lock()
    subject.structure  # noqa: B018 - computed now, and not in the first run

    def request_for(shape: tuple[int, ...]) -> Any:
        if shape not in requests:
            model = core.read_model(program)
            model.reshape(list(shape))
            requests[shape] = core.compile_model(model, "CPU", options).create_infer_request()
            if len(requests) > MOST_SHAPES:
                requests.popitem(last=False)
        requests.move_to_end(shape)
        return requests[shape]

    def run(x: Tensor) -> Any:
        with lock:  # a request has one set of buffers
            request = request_for(tuple(x.shape))
            request.infer([x.detach().contiguous().numpy()], share_inputs=True, share_outputs=True)
            outputs = [torch.from_numpy(output.data).clone() for output in request.output_tensors]
        return subject.arranged(outputs)

    try:
        run(subject.example)
    except Exception as error:
        raise Refused(f"OpenVINO: {first_line(error)}") from error
    return run


@cache
def the_core() -> Core:
    """Return the process's one core, which is never destroyed.

    On processors with AMX a core gives the thread a stack for signal handlers, and takes back the
    one before when it is destroyed. Two cores that end in the order in which they were made leave
    the thread with freed memory for a stack, and the next Ctrl-C ends the process.
    """
    try:
        from openvino import Core
    except ImportError as error:
        raise Refused("openvino is not installed: pip install 'zoo-inference[openvino]'") from error
    return Core()
