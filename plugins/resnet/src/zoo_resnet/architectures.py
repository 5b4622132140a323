"""The architectures: name to configuration, composed from the tricks that the name spells."""

from __future__ import annotations

from dataclasses import replace

from zoo_resnet.config import ResNetConfig

# How deep. A bottleneck has three convolutions and a basic block two; stem and classifier make two
# layers more.
R10 = ResNetConfig(block="basic", layers=(1, 1, 1, 1))
R14 = ResNetConfig(layers=(1, 1, 1, 1))
R18 = ResNetConfig(block="basic", layers=(2, 2, 2, 2))
R26 = ResNetConfig(layers=(2, 2, 2, 2))
R34 = ResNetConfig(block="basic", layers=(3, 4, 6, 3))
R50 = ResNetConfig(layers=(3, 4, 6, 3))
R101 = ResNetConfig(layers=(3, 4, 23, 3))
R152 = ResNetConfig(layers=(3, 8, 36, 3))
R200 = ResNetConfig(layers=(3, 24, 36, 3))
R269 = ResNetConfig(layers=(3, 30, 48, 8))


def c(cfg: ResNetConfig, width: int = 32) -> ResNetConfig:
    """Deep stem of three 3x3 convolutions (https://arxiv.org/abs/1812.01187, ResNet-C)."""
    return replace(cfg, stem_type="deep", stem_width=width)


def s(cfg: ResNetConfig) -> ResNetConfig:
    """Deep stem, twice as wide (Gluon's ResNet-S)."""
    return c(cfg, width=64)


def avg(cfg: ResNetConfig) -> ResNetConfig:
    """Shortcuts that subsample by average pooling (https://arxiv.org/abs/1812.01187)."""
    return replace(cfg, avg_down=True)


def d(cfg: ResNetConfig) -> ResNetConfig:
    """Deep stem and average-pooled shortcuts (https://arxiv.org/abs/1812.01187, ResNet-D)."""
    return avg(c(cfg))


def t(cfg: ResNetConfig) -> ResNetConfig:
    """As `d`, the stem's widths rising in tiers: 24, 32, 64."""
    return replace(d(cfg), stem_type="deep_tiered")


def x(cfg: ResNetConfig, groups: int, width: int) -> ResNetConfig:
    """Groups of a width: ResNeXt (https://arxiv.org/abs/1611.05431); one wide group: https://arxiv.org/abs/1605.07146."""
    return replace(cfg, cardinality=groups, base_width=width)


def se(cfg: ResNetConfig) -> ResNetConfig:
    """Squeeze-and-excitation (https://arxiv.org/abs/1709.01507)."""
    return replace(cfg, attn_layer="se")


def eca(cfg: ResNetConfig) -> ResNetConfig:
    """Efficient channel attention (https://arxiv.org/abs/1910.03151)."""
    return replace(cfg, attn_layer="eca")


def aa(cfg: ResNetConfig) -> ResNetConfig:
    """Anti-aliasing by average pooling, in the stem in place of max pooling."""
    return replace(cfg, aa_layer="avg")


def blur(cfg: ResNetConfig) -> ResNetConfig:
    """Anti-aliasing by a binomial filter (https://arxiv.org/abs/1904.11486)."""
    return replace(cfg, aa_layer="blur")


def rs(*layers: int) -> ResNetConfig:
    """ResNet-RS (https://arxiv.org/abs/2103.07579): ResNet-D, no stem pooling, SE by a quarter."""
    return replace(d(se(ResNetConfig(layers=layers))), replace_stem_pool=True, attn_args={"rd_ratio": 0.25})


PRUNED = {"ecaresnet50d_pruned": "pruned/ecaresnet50d.json", "ecaresnet101d_pruned": "pruned/ecaresnet101d.json"}
"""Files with the shapes of these architectures after pruning (https://arxiv.org/abs/2002.08258)."""

ARCHITECTURES: dict[str, ResNetConfig] = {
    "resnet10t": t(R10),
    "resnet14t": t(R14),
    "resnet18": R18,
    "resnet18d": d(R18),
    "resnet26": R26,
    "resnet26d": d(R26),
    "resnet26t": t(R26),
    "resnet34": R34,
    "resnet34d": d(R34),
    "resnet50": R50,
    "resnet50_gn": replace(R50, norm_layer="groupnorm"),
    "resnet50c": c(R50),
    "resnet50d": d(R50),
    "resnet50s": s(R50),
    "resnet50t": t(R50),
    "resnet101": R101,
    "resnet101c": c(R101),
    "resnet101d": d(R101),
    "resnet101s": s(R101),
    "resnet152": R152,
    "resnet152c": c(R152),
    "resnet152d": d(R152),
    "resnet152s": s(R152),
    "resnet200": R200,
    "resnet200d": d(R200),
    "wide_resnet50_2": x(R50, 1, 128),
    "wide_resnet101_2": x(R101, 1, 128),
    "resnext50_32x4d": x(R50, 32, 4),
    "resnext50d_32x4d": d(x(R50, 32, 4)),
    "resnext101_32x4d": x(R101, 32, 4),
    "resnext101_32x8d": x(R101, 32, 8),
    "resnext101_32x16d": x(R101, 32, 16),
    "resnext101_32x32d": x(R101, 32, 32),
    "resnext101_32x48d": x(R101, 32, 48),  # published weights that timm 1.0.31 has no architecture for
    "resnext101_64x4d": x(R101, 64, 4),
    "seresnet18": se(R18),
    "seresnet34": se(R34),
    "seresnet50": se(R50),
    "seresnet50t": t(se(R50)),
    "seresnet101": se(R101),
    "seresnet152": se(R152),
    "seresnet152d": d(se(R152)),
    "seresnet200d": d(se(R200)),
    "seresnet269d": d(se(R269)),
    "seresnext26d_32x4d": d(se(x(R26, 32, 4))),
    "seresnext26t_32x4d": t(se(x(R26, 32, 4))),
    "seresnext50_32x4d": se(x(R50, 32, 4)),
    "seresnext101_32x4d": se(x(R101, 32, 4)),
    "seresnext101_32x8d": se(x(R101, 32, 8)),
    "seresnext101_64x4d": se(x(R101, 64, 4)),
    "seresnext101d_32x8d": d(se(x(R101, 32, 8))),
    "senet154": replace(s(se(x(R152, 64, 4))), block_reduce_first=2, down_kernel_size=3),
    "ecaresnet26t": t(eca(R26)),
    "ecaresnet50d": d(eca(R50)),
    "ecaresnet50d_pruned": d(eca(R50)),
    "ecaresnet50t": t(eca(R50)),
    "ecaresnet101d": d(eca(R101)),
    "ecaresnet101d_pruned": d(eca(R101)),
    "ecaresnet200d": d(eca(R200)),
    "ecaresnet269d": d(eca(R269)),
    "ecaresnetlight": avg(eca(ResNetConfig(layers=(1, 1, 11, 3)))),
    "ecaresnext26t_32x4d": t(eca(x(R26, 32, 4))),
    "ecaresnext50t_32x4d": t(eca(x(R50, 32, 4))),
    "resnetaa34d": aa(d(R34)),
    "resnetaa50": aa(R50),
    "resnetaa50d": aa(d(R50)),
    "resnetaa101d": aa(d(R101)),
    "seresnetaa50d": aa(d(se(R50))),
    "seresnextaa101d_32x8d": aa(d(se(x(R101, 32, 8)))),
    "seresnextaa201d_32x8d": avg(aa(s(se(x(ResNetConfig(layers=(3, 24, 36, 4)), 32, 8))))),
    "resnetblur18": blur(R18),
    "resnetblur50": blur(R50),
    "resnetblur50d": blur(d(R50)),
    "resnetblur101d": blur(d(R101)),
    "resnetrs50": rs(3, 4, 6, 3),
    "resnetrs101": rs(3, 4, 23, 3),
    "resnetrs152": rs(3, 8, 36, 3),
    "resnetrs200": rs(3, 24, 36, 3),
    "resnetrs270": rs(4, 29, 53, 4),
    "resnetrs350": rs(4, 36, 72, 4),
    "resnetrs420": rs(4, 44, 87, 4),
    "test_resnet": replace(
        avg(c(R14, width=16)), block=("basic", "basic", "bottleneck", "basic"), channels=(32, 48, 48, 96)
    ),
}
