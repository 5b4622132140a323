"""What a measurement holds for: the machine, its threads, the versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

LIBRARIES = ("torch", "openvino", "onnxruntime", "zoo-core", "zoo-inference")


def fingerprint(device: str = "cpu") -> dict[str, str | int]:
    """Return what decides how fast and how exactly a network runs here."""
    found: dict[str, str | int] = {
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
    }
    if device == "cuda":
        found["gpu"] = torch.cuda.get_device_name()
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def differences(saved: dict[str, str | int], here: dict[str, str | int]) -> list[str]:
    """Return what is another here than where something was saved, as text."""
    names = sorted({*saved, *here})
    return [f"{name} is {here.get(name)}, not {saved.get(name)}" for name in names if saved.get(name) != here.get(name)]


def _processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
