"""Stochastic depth that grows in the course of a training."""

from typing import Any

from torch import nn

from zoo_core.errors import OptionError
from zoo_core.layers.drop import DropPath


class DropPathSchedule:
    """Raise a network's drop-path rates linearly from 0 to those that it was made with.

    Examples:
        >>> net = create_model("resnet50", drop_path_rate=0.1)
        >>> schedule = DropPathSchedule(net, steps=1000)
        >>> schedule.step()  # after each step of the optimiser

    Dropping late helps where dropping from the start does not (https://arxiv.org/abs/2303.01500).
    A network has one schedule: a second would take the rates of now for the full ones.

    Args:
        model: a network with `DropPath` layers.
        steps: after how many steps the rates are full.

    Raises:
        OptionError: for a network that drops no path, or less than one step.
    """

    def __init__(self, model: nn.Module, steps: int) -> None:
        self.layers = [module for module in model.modules() if isinstance(module, DropPath)]
        if not self.layers:
            raise OptionError(
                f"{type(model).__name__} drops no path: make it with drop_path_rate=0.1, if its architecture has it"
            )
        if steps < 1:
            raise OptionError(f"steps {steps!r}: the rates rise in one step or more")
        self.rates = [layer.p for layer in self.layers]
        self.steps, self.count = steps, 0
        self._apply()

    def step(self) -> None:
        """Count a step, and raise the rates."""
        self.count += 1
        self._apply()

    def state_dict(self) -> dict[str, Any]:
        """Return the count and the full rates, for a training to resume."""
        return {"count": self.count, "steps": self.steps, "rates": list(self.rates)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict`.

        Raises:
            OptionError: for that of another network.
        """
        if len(state["rates"]) != len(self.layers):
            raise OptionError(f"this network has {len(self.layers)} drop paths, the schedule {len(state['rates'])}")
        self.rates = [float(rate) for rate in state["rates"]]
        self.count, self.steps = int(state["count"]), int(state["steps"])
        self._apply()

    def _apply(self) -> None:
        share = min(1.0, self.count / self.steps)
        for layer, rate in zip(self.layers, self.rates, strict=True):
            layer.p = share * rate
