"""Old names, each with the model name that replaces it."""

from __future__ import annotations

NEXT = ("resnext50_32x4d", "resnext101_32x4d")
"""The ResNeXts that most of the name schemes had."""
SEMI = ("resnet18", "resnet50", *NEXT, "resnext101_32x8d", "resnext101_32x16d")
GLUON_NEXT = (*NEXT, "resnext101_64x4d")

ALIASES: dict[str, str] = {
    **{f"tv_{old}": f"{old}.tv_in1k" for old in ("resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d")},
    **{f"ssl_{old}": f"{old}.fb_ssl_yfcc100m_ft_in1k" for old in SEMI},
    **{f"swsl_{old}": f"{old}.fb_swsl_ig1b_ft_in1k" for old in SEMI},
    # timm 1.0.31 points all four at the 32x8d weights.
    **{f"ig_resnext101_32x{w}d": f"resnext101_32x{w}d.fb_wsl_ig1b_ft_in1k" for w in (8, 16, 32, 48)},
    **{f"gluon_resnet{depth}_v1b": f"resnet{depth}.gluon_in1k" for depth in (18, 34, 50, 101, 152)},
    **{f"gluon_resnet{depth}_v1{v}": f"resnet{depth}{v}.gluon_in1k" for v in "cds" for depth in (50, 101, 152)},
    **{f"gluon_{old}": f"{old}.gluon_in1k" for old in GLUON_NEXT},
    **{f"gluon_se{old}": f"se{old}.gluon_in1k" for old in GLUON_NEXT},
    "gluon_senet154": "senet154.gluon_in1k",
    "seresnext26tn_32x4d": "seresnext26t_32x4d",
}
