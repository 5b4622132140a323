"""Whether somebody listens to a module, which a shortcut around its call has to ask first."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.module import _has_any_global_hook


def is_hooked(*modules: nn.Module) -> bool:
    """Whether calling one of `modules` would run a hook, a global one included."""
    return bool(_has_any_global_hook()) or any(  # type: ignore[no-untyped-call]
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
        for module in modules
    )
