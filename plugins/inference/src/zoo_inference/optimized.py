"""The module that `optimize` returns: called as the model is, and faster."""

from __future__ import annotations

from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from zoo_core.errors import OptionError

from zoo_inference.engines.subject import Run, Subject
from zoo_inference.report import Report


class Optimized(nn.Module):
    """A model in eval mode with its fastest engine.

    Inputs of the measured size and dtype go through the engine, at any batch size. Others go
    through the model, as do inputs that need a gradient: the engine's outputs have none. Attributes
    that it has not itself are the model's.

    Attributes:
        original: the model as it was given.
        report: what was tried, and what came of it.
    """

    def __init__(self, original: nn.Module, run: Run, report: Report, subject: Subject) -> None:
        super().__init__()
        self.original = original
        self.training = False
        self.report = report
        # Past `nn.Module.__setattr__`: an engine's constants are not this module's parameters.
        object.__setattr__(self, "_engine", run)
        object.__setattr__(self, "_subject", subject)

    def forward(self, x: Tensor) -> Any:
        """Run the engine where it was checked, the model elsewhere."""
        if not self.covers(x):
            return self.original(x)
        with torch.inference_mode(False), torch.no_grad():
            return self._engine(x)

    def covers(self, x: Tensor) -> bool:
        """Tell whether the engine takes this input."""
        report = self.report
        return (
            tuple(x.shape[1:]) == report.shape[1:]
            and x.dim() == len(report.shape)
            and x.shape[0] > 0
            and str(x.dtype) == report.dtype
            and x.device.type == report.device
            and not (x.requires_grad and torch.is_grad_enabled())
        )

    def train(self, mode: bool = True) -> Optimized:
        """Stay in eval mode.

        Raises:
            OptionError: if `mode` is True.
        """
        if mode:
            raise OptionError("an optimised model is for inference: train its `original`, and optimize that again")
        return self

    def load_state_dict(self, *_: Any, **__: Any) -> NoReturn:
        """Raise OptionError: the engine has the weights in a form of its own."""
        raise OptionError(
            "an optimised model has its weights built in: load them into its `original`, and optimize that again"
        )

    def _apply(self, *_: Any, **__: Any) -> NoReturn:
        raise OptionError(
            f"an optimised model stays {self.report.dtype} on {self.report.device}: move its `original`, and "
            "optimize that again"
        )

    def __getattr__(self, name: str) -> Any:
        """Return the model's attribute, such as ``feature_info`` or ``num_classes``."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "original" or name.startswith("__"):
                raise
            return getattr(super().__getattr__("original"), name)

    def __reduce_ex__(self, _: Any) -> NoReturn:
        raise OptionError("an optimised model is neither copied nor pickled: use zoo_inference.save and load")

    def extra_repr(self) -> str:
        """Return the engine and its speed, for ``print``."""
        return f"engine={self.report.chosen!r}, {self.report.ratio:.2f} times as fast"
