"""ONNX Runtime, of the extra ``zoo-inference[onnxruntime]``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from zoo_inference.engines.onnx_program import INPUT
from zoo_inference.engines.subject import Run, Subject
from zoo_inference.graph.trace import first_line
from zoo_inference.refused import Refused


def onnxruntime(subject: Subject) -> Run:
    """ONNX Runtime on the CPU, with all its optimisations."""
    try:
        import onnxruntime as library
    except ImportError as error:
        raise Refused("onnxruntime is not installed: pip install 'zoo-inference[onnxruntime]'") from error
    options = library.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.graph_optimization_level = library.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    # Else its idle threads spin after a run, and slow what PyTorch does next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        session = library.InferenceSession(subject.program, options, providers=["CPUExecutionProvider"])
    except Refused:
        raise
    except Exception as error:
        raise Refused(f"ONNX Runtime: {first_line(error)}") from error
    subject.structure  # noqa: B018 - computed now, and not in the first run

    def run(x: Tensor) -> Any:
        outputs = session.run(None, {INPUT: x.detach().contiguous().numpy()})
        return subject.arranged([torch.from_numpy(output) for output in outputs])

    return run
