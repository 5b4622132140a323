"""The network: a vision transformer (https://arxiv.org/abs/2010.11929) with registers."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from zoo_core import OptionError
from zoo_core.layers import DropPath, checkpoint_block, create_classifier, drop_path_rates
from zoo_core.network import Network

from zoo_tinyvit.positions import resize_positions

if TYPE_CHECKING:
    from zoo_tinyvit.config import TinyVitConfig

torch.fx.wrap("resize_positions")  # it branches on sizes, so torch.fx takes it for one operation


class TinyVit(Network):
    """Patches, a class token and registers, blocks of attention and MLP, a norm, a classifier.

    It takes images of any size that patches fit into; their position embedding is resized.

    Args:
        cfg: the architecture.
        num_classes: width of the logits; 0 for no classifier.
        in_chans: channels of the images.
        global_pool: "token" (the class token), "avg", "max", "avgmax", or "" or "none", which keeps
            all tokens and needs 0 classes.
        drop_rate: dropout of the pooled features, in 0..1.
        drop_path_rate: stochastic depth of the last block; it rises linearly from 0 at the first.

    Raises:
        OptionError: for an option's value that is not one of these.
    """

    classifier_name = "head"
    final_norm = "norm"

    def __init__(
        self,
        cfg: TinyVitConfig,
        *,
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = "token",
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        height, width = (cfg.img_size, cfg.img_size) if isinstance(cfg.img_size, int) else cfg.img_size
        if height % cfg.patch_size or width % cfg.patch_size:
            raise OptionError(f"img_size {cfg.img_size}: a multiple of the patches' {cfg.patch_size} pixels")
        if cfg.width % cfg.heads:
            raise OptionError(f"width {cfg.width}: a multiple of the {cfg.heads} heads")
        self.num_classes = num_classes
        self.num_features = self.head_hidden_size = cfg.width
        self.num_stages = cfg.depth
        self.num_prefix_tokens = 1 + cfg.registers
        self.grid = (height // cfg.patch_size, width // cfg.patch_size)
        self.feature_info = [
            {"num_chs": cfg.width, "reduction": cfg.patch_size, "module": f"blocks.{index}", "layout": "NLC"}
            for index in range(cfg.depth)
        ]
        proj = nn.Conv2d(in_chans, cfg.width, cfg.patch_size, stride=cfg.patch_size)
        self.patch_embed = nn.Sequential(OrderedDict(proj=proj))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, cfg.width))
        self.reg_token = nn.Parameter(torch.zeros(1, cfg.registers, cfg.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, self.grid[0] * self.grid[1], cfg.width))
        (rates,) = drop_path_rates(drop_path_rate, (cfg.depth,))
        self.blocks = nn.Sequential(*(Block(cfg.width, cfg.heads, cfg.mlp_ratio, rate) for rate in rates))
        self.norm = nn.LayerNorm(cfg.width, eps=1e-6)
        self.global_pool, self.head = create_classifier(
            cfg.width, num_classes, global_pool, num_prefix_tokens=self.num_prefix_tokens
        )
        self.drop = nn.Dropout(drop_rate)
        self.init_weights()

    def reset_parameters(self) -> None:
        """Draw the tokens and the position embedding."""
        for tensor in (self.cls_token, self.reg_token, self.pos_embed):
            nn.init.normal_(tensor, std=0.02)

    def init_module(self, module: nn.Module) -> None:
        """Draw linear layers small."""
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)

    def embed(self, x: Tensor) -> Tensor:
        """Images to tokens: (batch, prefix + rows * columns, channels)."""
        x = self.patch_embed(x)
        positions = resize_positions(self.pos_embed, self.grid[0], self.grid[1], x.shape[2], x.shape[3])
        x = x.flatten(2).transpose(1, 2) + positions
        prefix = torch.cat((self.cls_token, self.reg_token), dim=1)
        return torch.cat((prefix.expand(x.shape[0], -1, -1), x), dim=1)

    def forward_stages(self, x: Tensor, taps: list[int], last: int) -> tuple[Tensor, list[Tensor]]:
        """Walk the network once, see `Network.forward_stages`."""
        maps: list[Tensor] = []
        x = self.embed(x)
        if len(taps) == 0 and last == self.num_stages:
            x = self.blocks(x)  # as one, so that a hook on it runs
        else:
            for index, block in enumerate(self.blocks):
                if last >= index:
                    x = block(x)
                    if index in taps:
                        maps.append(x)
        if self.norm is not None and last >= self.num_stages:
            x = self.norm(x)
        return x, maps

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Pool and classify: (batch, length, num_features) to (batch, num_classes)."""
        x = self.drop(self.global_pool(x))
        return x if pre_logits else self.head(x)

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Return patterns that order parameters by depth: the embedding, each block."""
        return {"stem": r"^(cls_token|reg_token|pos_embed|patch_embed)", "blocks": r"^blocks\.(\d+)"}

    def no_weight_decay(self) -> set[str]:
        """Names of parameters that an optimiser should not decay, beyond norms and biases."""
        return {"cls_token", "reg_token", "pos_embed"}


class Block(nn.Module):
    """Attention and an MLP, each with a norm before it and a shortcut around it."""

    def __init__(self, width: int, heads: int, mlp_ratio: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        layers = {
            "fc1": nn.Linear(width, mlp_ratio * width),
            "act": nn.GELU(),
            "fc2": nn.Linear(mlp_ratio * width, width),
        }
        self.mlp = nn.Sequential(OrderedDict(layers))
        self.drop_path = DropPath(drop_path)
        self.grad_checkpointing = False

    def forward(self, x: Tensor) -> Tensor:
        """(batch, length, channels) to the same."""
        if not torch.jit.is_scripting() and self.grad_checkpointing:
            return self._recomputed(x)
        return self.run(x)

    def run(self, x: Tensor) -> Tensor:
        """Compute what `forward` returns."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))

    @torch.jit.unused
    def _recomputed(self, x: Tensor) -> Tensor:
        return checkpoint_block(self, x, self.run)


class Attention(nn.Module):
    """Every token looks at every token, in several heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, length, channels) to the same."""
        parts = self.qkv(x).reshape(x.shape[0], x.shape[1], 3, self.heads, -1)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4).unbind(0)
        found = F.scaled_dot_product_attention(queries, keys, values)
        return self.proj(found.transpose(1, 2).flatten(2))
