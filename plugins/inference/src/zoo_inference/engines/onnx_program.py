"""A network as an ONNX file, in memory."""

from __future__ import annotations

import io
import warnings

import torch
from torch import Tensor, nn

from zoo_inference.graph.trace import first_line
from zoo_inference.refused import Refused

INPUT = "images"
_MOST = 2**31 - 2**24
"""Bytes that an ONNX file can hold, less room for its graph."""


def export(net: nn.Module, example: Tensor) -> bytes:
    """Return an ONNX file of a network whose outputs are tensors, for any batch size.

    Raises:
        Refused: where PyTorch cannot export the network, or it is too large.
    """
    if example.device.type != "cpu":
        raise Refused("it is for CPUs")
    held = sum(t.nbytes for t in {id(t): t for t in (*net.parameters(), *net.buffers())}.values())
    if held > _MOST:
        raise Refused("an ONNX file cannot hold more than 2 GB")
    file = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what varies with the input is found out by comparing
        try:
            # The exporter by tracing: the one by torch.export takes longer than a search has. It
            # gets the module itself: PyTorch never frees the frozen copy that it makes of a trace.
            torch.onnx.export(
                net.eval(),
                (example,),
                file,  # type: ignore[arg-type] # this exporter writes into files in memory
                dynamo=False,
                input_names=[INPUT],
                dynamic_axes={INPUT: {0: "batch"}},
                opset_version=17,
            )
        except Exception as error:
            raise Refused(f"PyTorch cannot export it to ONNX: {first_line(error)}") from error
    return file.getvalue()
