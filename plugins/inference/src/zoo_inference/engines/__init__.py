"""The ways to run a network, a function each that builds one.

`subject` is what they get: the network, an input, and what several of them need. `in_torch` has
those of PyTorch alone, whose maps `memory` keeps from being cleared, and `on_gpu` those for CUDA;
`onnx_program` exports for `openvino` and `onnxruntime`. `table` names them all, in the order in
which they are tried.
"""
