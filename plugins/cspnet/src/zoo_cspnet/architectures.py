"""The architectures: name to configuration, each composed from the tricks that its name spells."""

from __future__ import annotations

from dataclasses import replace

from zoo_cspnet.config import CspNetConfig

# Cross stage partial ResNets (https://arxiv.org/abs/1911.11929). As in ResNet the stem pools, not
# the first stage.
CSPRESNET50 = CspNetConfig(
    stem_chs=(64,), stem_kernel_size=7, stem_stride=2, stem_pool=True,
    depth=(3, 3, 5, 2), out_chs=(128, 256, 512, 1024), stride=(1, 2, 2, 2),
    expand_ratio=2.0, bottle_ratio=0.5, cross_linear=True,
)  # fmt: skip
CSPRESNEXT50 = replace(
    CSPRESNET50, out_chs=(256, 512, 1024, 2048), groups=32, expand_ratio=1.0, block_ratio=0.5, bottle_ratio=1.0
)

# Darknets (https://arxiv.org/abs/1804.02767). The number counts the convolutions, and for the
# classifier one more.
DARKNET17 = CspNetConfig(
    stage_type="dark", block_type="dark", depth=(1, 1, 1, 1, 1), out_chs=(64, 128, 256, 512, 1024), bottle_ratio=0.5
)
DARKNET21 = replace(DARKNET17, depth=(1, 1, 1, 2, 2))
DARKNET53 = replace(DARKNET17, depth=(1, 2, 8, 8, 4))
CSPDARKNET53 = replace(
    DARKNET53,
    stage_type="csp",
    expand_ratio=(2.0, 1.0, 1.0, 1.0, 1.0),
    block_ratio=(1.0, 0.5, 0.5, 0.5, 0.5),
    bottle_ratio=(0.5, 1.0, 1.0, 1.0, 1.0),
    down_growth=True,
)


def deep(cfg: CspNetConfig) -> CspNetConfig:
    """Three 3x3 convolutions for the 7x7 one (https://arxiv.org/abs/1812.01187)."""
    return replace(cfg, stem_chs=(32, 32, 64), stem_kernel_size=3)


def wide(cfg: CspNetConfig) -> CspNetConfig:
    """A deep stem and stages twice as wide, their blocks as narrow as before."""
    channels = tuple(2 * channels for channels in cfg.out_chs)
    return replace(deep(cfg), out_chs=channels, expand_ratio=1.0, block_ratio=0.5, bottle_ratio=0.25)


def aa(cfg: CspNetConfig) -> CspNetConfig:
    """Anti-aliased: stages subsample by average pooling and a 1x1 convolution."""
    return replace(cfg, avg_down=True)


def se(cfg: CspNetConfig, rd_ratio: float = 1 / 16) -> CspNetConfig:
    """Squeeze-and-excitation (https://arxiv.org/abs/1709.01507) in every block."""
    return replace(cfg, attn_layer="se", attn_args={"rd_ratio": rd_ratio})


def cs3(width: float, *depth: int) -> CspNetConfig:
    """A Darknet of cross stages in the manner of YOLOv5 (https://zenodo.org/records/4679653).

    Args:
        width: channels over those of the large one, which has 64 after its stem and 128 to 1024
            after its stages.
        depth: blocks in each stage.
    """
    return CspNetConfig(
        stem_chs=(int(32 * width), int(64 * width)),
        stem_stride=2,
        stage_type="cs3",
        block_type="dark",
        depth=depth,
        out_chs=tuple(int(channels * width) for channels in (128, 256, 512, 1024)),
        block_ratio=0.5,
        act_layer="silu",
    )


CS3_S = cs3(0.5, 1, 3, 4, 1)
CS3_M = cs3(0.75, 2, 4, 6, 2)
CS3_L = cs3(1.0, 3, 6, 9, 3)
CS3_X = cs3(1.25, 3, 7, 11, 3)
# In spite of its name not cs3: csp stages of bottlenecks, grouped in the last two.
XDW = replace(
    cs3(1.0, 3, 6, 12, 4),
    out_chs=(256, 512, 1024, 2048),
    stage_type="csp",
    block_type="bottle",
    bottle_ratio=0.5,
    groups=(1, 1, 256, 512),
)


def focus(cfg: CspNetConfig) -> CspNetConfig:
    """YOLOv5's focus layer, space to depth and a 3x3 convolution, as one 6x6 convolution."""
    return replace(cfg, stem_chs=cfg.stem_chs[-1:], stem_kernel_size=6, stem_padding=2)


def edge(cfg: CspNetConfig) -> CspNetConfig:
    """Blocks that widen in a 3x3 convolution: fused inverted bottlenecks (https://arxiv.org/abs/2003.02838)."""
    return replace(cfg, block_type="edge", bottle_ratio=1.5)


def iabn(cfg: CspNetConfig) -> CspNetConfig:
    """In-place activated batch norm (https://arxiv.org/abs/1712.02616), to save memory."""
    return replace(cfg, norm_layer="iabn")


ARCHITECTURES: dict[str, CspNetConfig] = {
    "cspresnet50": CSPRESNET50,
    "cspresnet50d": deep(CSPRESNET50),
    "cspresnet50w": wide(CSPRESNET50),
    "cspresnext50": CSPRESNEXT50,
    "cspresnext50_iabn": iabn(CSPRESNEXT50),
    "cspdarknet53": CSPDARKNET53,
    "cspdarknet53_iabn": iabn(CSPDARKNET53),
    "darknet17": DARKNET17,
    "darknet21": DARKNET21,
    "sedarknet21": se(DARKNET21),
    "darknet53": DARKNET53,
    "darknetaa53": aa(DARKNET53),
    "cs3darknet_s": CS3_S,
    "cs3darknet_m": CS3_M,
    "cs3darknet_l": CS3_L,
    "cs3darknet_x": CS3_X,
    "cs3darknet_focus_s": focus(CS3_S),
    "cs3darknet_focus_m": focus(CS3_M),
    "cs3darknet_focus_l": focus(CS3_L),
    "cs3darknet_focus_x": focus(CS3_X),
    "cs3sedarknet_l": se(CS3_L, rd_ratio=0.25),
    "cs3sedarknet_x": se(CS3_X),
    "cs3sedarknet_xdw": se(XDW),
    "cs3edgenet_x": edge(CS3_X),
    "cs3se_edgenet_x": edge(se(CS3_X, rd_ratio=0.25)),
    "test_cspnet": replace(CS3_S, stem_chs=(8, 16), depth=(1, 1, 1), out_chs=(32, 64, 96), stride=(1, 2, 2)),
}
