"""An optimised model in a file, and out of it.

The file is a safetensors file: the model's state dict, an input with its outputs, and for OpenVINO
and ONNX Runtime the exported program, beside the report. No code is in it. Loading creates the
model by its name, builds the same engine without a search, and compares the outputs once more, so
that a file from another machine is refused where it would be wrong.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from zoo_core.errors import ConfigError, WeightsError, ZooError

from zoo_inference.check import largest_error
from zoo_inference.engines.subject import Run, Subject
from zoo_inference.engines.table import AS_GIVEN, ENGINES
from zoo_inference.graph.trace import first_line
from zoo_inference.machine import differences, fingerprint
from zoo_inference.optimized import Optimized
from zoo_inference.refused import Refused
from zoo_inference.report import Report

FORMAT = "zoo-inference 1"
_STATE, _CHECK, _PROGRAM = "state.", "check.", "program"


def save(model: Optimized, path: str | os.PathLike[str]) -> Path:
    """Write an optimised model into a ``.safetensors`` file, and return its path.

    Raises:
        ZooError: for a path that cannot be written to, or a model that is not optimised.
    """
    from zoo_core.weights.files.safetensors import tensorfile_of

    if not isinstance(model, Optimized):
        raise ZooError(f"{type(model).__name__} is not optimised: call zoo_inference.optimize first")
    path = check_output(path)
    example = model._subject.example
    with torch.no_grad():
        leaves = pytree.tree_leaves(model.original(example.clone()))
    tensors = {f"{_STATE}{name}": value for name, value in model.original.state_dict().items()}
    tensors |= {f"{_CHECK}{index}": leaf for index, leaf in enumerate(leaves)}
    tensors[f"{_CHECK}input"] = example
    engine = ENGINES.get(model.report.chosen)
    if engine is not None and engine.program:
        tensors[_PROGRAM] = torch.frombuffer(bytearray(model._subject.program), dtype=torch.uint8)
    metadata = {
        "format": FORMAT,
        "report": json.dumps(model.report.to_dict()),
        "model": json.dumps(_made_with(model.original)),
    }
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    path.write_bytes(tensorfile_of(tensors, metadata))
    return path


def load(path: str | os.PathLike[str], model: nn.Module | None = None, *, elsewhere: bool = False) -> Optimized:
    """Return the optimised model of a file that `save` wrote, without a search.

    Args:
        path: the file.
        model: a module of the same architecture, which gets the file's weights; by default the
            model is created by the name that it was created with.
        elsewhere: accept a file of another machine, number of threads or version; the engine may be
            the fastest no more, and is refused where its outputs differ.

    Raises:
        ZooError: for a file of another machine, or whose engine cannot be built here or computes
            something else here.
        ConfigError: for a file whose metadata is not what `save` writes.
        WeightsError: for a file that cannot be read, or weights that do not fit.
    """
    tensors, report, made = _read(Path(path))
    here = fingerprint(report.device)
    if (changed := differences(report.machine, here)) and not elsewhere:
        raise ZooError(
            f"{os.fspath(path)} was made elsewhere: {'; '.join(changed)}. Optimize the model here, or load it with "
            "elsewhere=True, which compares its outputs"
        )
    net = _created(made, path) if model is None else model
    state = {name.removeprefix(_STATE): value for name, value in tensors.items() if name.startswith(_STATE)}
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(f"{os.fspath(path)} does not fit {type(net).__name__}: {error}") from error
    net = net.to(report.device).eval()
    example = tensors[f"{_CHECK}input"].to(report.device)
    program = bytes(tensors[_PROGRAM].numpy()) if _PROGRAM in tensors else None
    subject = Subject(net, example, program)
    with torch.inference_mode(False), torch.no_grad():
        run = _engine(report.chosen, subject, path)
        _compare(run, subject, tensors, report, path)
    return Optimized(net, run, report, subject)


def check_output(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file to write, which is looked at before anything is computed.

    Raises:
        ZooError: for another suffix, or a folder that does not exist.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ZooError(f"cannot write {str(path)!r}: the name of this file must end in .safetensors")
    if not path.parent.is_dir():
        raise ZooError(f"cannot write {str(path)!r}: there is no folder {str(path.parent)!r}")
    return path


def _read(path: Path) -> tuple[dict[str, Tensor], Report, dict[str, Any]]:
    """Return a file's tensors, its report and what the model was made with."""
    from safetensors import SafetensorError, safe_open
    from zoo_core.weights.files.safetensors import read_tensorfile

    tensors = read_tensorfile(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"cannot read {str(path)!r}: {error}") from error
    if metadata.get("format") != FORMAT or f"{_CHECK}input" not in tensors:
        raise ConfigError(f"{path} holds no optimised model of this version: expected a file of zoo_inference.save")
    try:
        report, made = Report.from_dict(json.loads(metadata["report"])), json.loads(metadata["model"])
    except (KeyError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: its metadata is damaged: {error}") from error
    if report.chosen != AS_GIVEN and report.chosen not in ENGINES:
        raise ConfigError(f"{path}: unknown engine {report.chosen!r}; there are {', '.join(ENGINES)}")
    if report.device not in ("cpu", "cuda") or not isinstance(made, dict):
        raise ConfigError(f"{path}: its metadata is damaged")
    return tensors, report, made


def _made_with(net: nn.Module) -> dict[str, Any]:
    """Return what `create_model` needs to make the network again; empty for other modules."""
    made = getattr(net, "made_with", None)
    if not isinstance(made, dict):
        return {}
    found = {"architecture": made["architecture"], "options": made["options"]}
    indices = getattr(getattr(net, "feature_info", None), "out_indices", None)
    if indices is not None:
        found["out_indices"] = list(indices)
    try:
        json.dumps(found)
    except TypeError:  # an option that is a class, say
        return {}
    return found


def _created(made: dict[str, Any], path: str | os.PathLike[str]) -> nn.Module:
    """Create the network of a file, whose options are looked at as those of a repository are."""
    import zoo_core
    from zoo_core.weights.hub.model_args import checked_options, modules_limited

    name, options = made.get("architecture"), made.get("options")
    if not isinstance(name, str) or not isinstance(options, dict):
        raise ConfigError(f"{os.fspath(path)} does not say which architecture it is: load(path, model) takes one")
    if ":" in name:  # a repository, which a file may not name
        raise ConfigError(f"{os.fspath(path)} names {name[:80]!r}, which is no architecture")
    options = checked_options(options, os.fspath(path), _RESERVED)
    if (indices := made.get("out_indices")) is not None:
        if not isinstance(indices, list) or not all(type(index) is int for index in indices):
            raise ConfigError(f"{os.fspath(path)}: its metadata is damaged")
        options |= {"features_only": True, "out_indices": indices}
    with modules_limited(os.fspath(path)):
        return zoo_core.create_model(name, **options)


_RESERVED = frozenset(
    {
        *("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir", "device", "dtype"),
        *("mmap", "features_only", "out_indices", "feature_cls", "feature_cfg", "optimize"),
    }
)
"""Options of `create_model` and the builder, which a file may not set."""


def _engine(name: str, subject: Subject, path: str | os.PathLike[str]) -> Run:
    if name == AS_GIVEN:
        return subject.net
    try:
        return ENGINES[name].build(subject)
    except Refused as reason:
        raise ZooError(f"{os.fspath(path)} runs with {name}, which refuses here: {reason}") from reason


def _compare(
    run: Run, subject: Subject, tensors: dict[str, Tensor], report: Report, path: str | os.PathLike[str]
) -> None:
    """Raise ZooError where the outputs are not those of the machine that wrote the file."""
    expected = [tensors[name] for name in sorted((n for n in tensors if n[len(_CHECK) :].isdigit()), key=_number)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            leaves = [leaf.cpu() for leaf in pytree.tree_leaves(run(subject.example.clone()))]
    except Exception as error:
        raise ZooError(f"{os.fspath(path)} cannot run here with {report.chosen}: {first_line(error)}") from error
    difference = largest_error(leaves, expected)
    if not difference <= report.tolerance:
        raise ZooError(
            f"{os.fspath(path)} computes something else here: {difference:.1e} is more than {report.tolerance:g}. "
            "Optimize the model here"
        )


def _number(name: str) -> int:
    return int(name.removeprefix(_CHECK))
