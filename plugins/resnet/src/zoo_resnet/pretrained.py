"""The published weights: ``architecture.tag`` to default config, the default tag first.

A line names its training recipe and its file. The Hub id follows from the name,
``timm/<architecture>.<tag>``; the first characters of the file's SHA-256 stand in its name, where
`zoo_core.weights` reads them.
"""

from __future__ import annotations

from dataclasses import replace

from zoo_core.config import INCEPTION_MEAN, INCEPTION_STD, PretrainedCfg

from zoo_resnet.architectures import ARCHITECTURES

TIMM = PretrainedCfg(license="apache-2.0", origin_url="https://github.com/huggingface/pytorch-image-models")


def at(
    size: int, crop: float = 0.875, test: int | None = None, test_crop: float | None = None, *, of: PretrainedCfg = TIMM
) -> PretrainedCfg:
    """Set training images of `size` pixels, and tests at `test` pixels by `test_crop`."""
    test_size = (3, test, test) if test else None
    return replace(of, input_size=(3, size, size), crop_pct=crop, test_input_size=test_size, test_crop_pct=test_crop)


# ResNet strikes back (https://arxiv.org/abs/2110.00476): recipes A to D, and their successors.
STRIKES_BACK = replace(TIMM, paper_ids="arXiv:2110.00476")
RSB = at(224, 0.95, 288, 1.0, of=STRIKES_BACK)
RSB_A3 = at(160, 0.95, 224, 0.95, of=STRIKES_BACK)
RSB_176 = at(176, 0.9, 224, 1.0, of=STRIKES_BACK)
C3 = at(176, 0.875, 224, 0.95)
RA4 = replace(at(224, 0.9, 288, 1.0, of=STRIKES_BACK), mean=INCEPTION_MEAN, std=INCEPTION_STD)
RA4_95 = replace(RA4, crop_pct=0.95)
# timm's earlier recipes, with RandAugment (https://arxiv.org/abs/1909.13719) or without.
RA = at(224, 0.875, 288, 0.95)
RA_256 = at(256, 0.95, 320, 1.0)
ECA_256 = at(256, 0.875, 320, 0.95)
# Trained, or trained first, on the 11,821 classes of an ImageNet-22k subset.
IN12K_FT = at(224, 0.95, 288, 1.0)
IN12K = replace(IN12K_FT, num_classes=11821)
IN12K_FT_224 = at(224, 0.875, 288, 1.0)
IN12K_FT_288 = at(288, 0.95, 320, 1.0)
# Without a stated origin.
OTHER = replace(TIMM, origin_url=None)
MIIL = at(224, 0.875, 288, 0.95, of=OTHER)
IN12K_320 = replace(at(320, 0.95, 384, 1.0, of=OTHER), num_classes=11821)
IN12K_FT_384 = at(384, 1.0, of=OTHER)
R160 = replace(at(160, 0.95, of=OTHER), interpolation="bilinear", mean=INCEPTION_MEAN, std=INCEPTION_STD)
# Other people's.
GLUON = replace(TIMM, origin_url="https://cv.gluon.ai/model_zoo/classification.html")
BILINEAR = PretrainedCfg(interpolation="bilinear")
TV = replace(BILINEAR, license="bsd-3-clause", origin_url="https://github.com/pytorch/vision")
TV2 = at(176, 0.875, 224, 0.965, of=TV)
FACEBOOK = replace(BILINEAR, license="cc-by-nc-4.0")
SEMI = replace(FACEBOOK, origin_url="https://github.com/facebookresearch/semi-supervised-ImageNet1K-models")
WSL = replace(FACEBOOK, origin_url="https://github.com/facebookresearch/WSL-Images")
BAMBOO = PretrainedCfg(
    crop_pct=1.0, num_classes=0, origin_url="https://github.com/ZhangYuanhan-AI/Bamboo", paper_ids="arXiv:2203.07845"
).overlaid({"notes": ["its publisher states no licence"]})


def rs(size: int, test: int, crop: float) -> PretrainedCfg:
    """ResNet-RS (https://arxiv.org/abs/2103.07579), converted from TensorFlow."""
    return at(size, crop, test, of=OTHER)


HF = "https://github.com/huggingface/pytorch-image-models/releases/download/v0.1-"
RW = "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-"
GL = "https://github.com/rwightman/pytorch-pretrained-gluonresnet/releases/download/v0.1/gluon_"
FB = "https://dl.fbaipublicfiles.com/semiweaksupervision/model_files/semi_"
PT = "https://download.pytorch.org/models/"
NO_URL = None  # on the Hub alone

WEIGHTS: dict[str, tuple[PretrainedCfg, str | None]] = {
    "resnet10t.c3_in1k": (C3, RW + "rsb-weights/resnet10t_176_c3-f3215ab1.pth"),
    "resnet14t.c3_in1k": (C3, RW + "rsb-weights/resnet14t_176_c3-c4ed2c37.pth"),
    "resnet18.a1_in1k": (RSB, HF + "rsb-weights/resnet18_a1_0-d63eafa0.pth"),
    "resnet18.a2_in1k": (RSB, HF + "rsb-weights/resnet18_a2_0-b61bd467.pth"),
    "resnet18.a3_in1k": (RSB_A3, HF + "rsb-weights/resnet18_a3_0-40c531c8.pth"),
    "resnet18.tv_in1k": (TV, PT + "resnet18-f37072fd.pth"),
    "resnet18.fb_ssl_yfcc100m_ft_in1k": (SEMI, FB + "supervised_resnet18-d92f0530.pth"),
    "resnet18.fb_swsl_ig1b_ft_in1k": (SEMI, FB + "weakly_supervised_resnet18-118f1556.pth"),
    "resnet18.gluon_in1k": (GLUON, GL + "resnet18_v1b-0757602b.pth"),
    "resnet18d.ra2_in1k": (RA, RW + "weights/resnet18d_ra2-48a79e06.pth"),
    "resnet18d.ra4_e3600_r224_in1k": (RA4, NO_URL),
    "resnet26.bt_in1k": (RA, RW + "weights/resnet26-9aa10e23.pth"),
    "resnet26d.bt_in1k": (RA, RW + "weights/resnet26d-69e92c46.pth"),
    "resnet26t.ra2_in1k": (at(256, 0.94, 320, 1.0), RW + "attn-weights/resnet26t_256_ra2-6f6fa748.pth"),
    "resnet34.a1_in1k": (RSB, HF + "rsb-weights/resnet34_a1_0-46f8f793.pth"),
    "resnet34.a2_in1k": (RSB, HF + "rsb-weights/resnet34_a2_0-82d47d71.pth"),
    "resnet34.a3_in1k": (RSB_A3, HF + "rsb-weights/resnet34_a3_0-a20cabb6.pth"),
    "resnet34.bt_in1k": (RA, RW + "weights/resnet34-43635321.pth"),
    "resnet34.ra4_e3600_r224_in1k": (RA4, NO_URL),
    "resnet34.tv_in1k": (TV, PT + "resnet34-b627a593.pth"),
    "resnet34.gluon_in1k": (GLUON, GL + "resnet34_v1b-c6d82d59.pth"),
    "resnet34d.ra2_in1k": (RA, RW + "weights/resnet34d_ra2-f8dcfcaf.pth"),
    "resnet50.a1_in1k": (RSB, RW + "rsb-weights/resnet50_a1_0-14fe96d1.pth"),
    "resnet50.a1h_in1k": (RSB_176, HF + "rsb-weights/resnet50_a1h2_176-001a1197.pth"),
    "resnet50.a2_in1k": (RSB, HF + "rsb-weights/resnet50_a2_0-a2746f79.pth"),
    "resnet50.a3_in1k": (RSB_A3, HF + "rsb-weights/resnet50_a3_0-59cae1ef.pth"),
    "resnet50.b1k_in1k": (RSB, HF + "rsb-weights/resnet50_b1k-532a802a.pth"),
    "resnet50.b2k_in1k": (RSB, HF + "rsb-weights/resnet50_b2k-1ba180c1.pth"),
    "resnet50.c1_in1k": (RSB, HF + "rsb-weights/resnet50_c1-5ba5e060.pth"),
    "resnet50.c2_in1k": (RSB, HF + "rsb-weights/resnet50_c2-d01e05b2.pth"),
    "resnet50.d_in1k": (RSB, HF + "rsb-weights/resnet50_d-f39db8af.pth"),
    "resnet50.ram_in1k": (RA, HF + "weights/resnet50_ram-a26f946b.pth"),
    "resnet50.am_in1k": (OTHER, HF + "weights/resnet50_am-6c502b37.pth"),
    "resnet50.ra_in1k": (RA, HF + "weights/resnet50_ra-85ebb6e5.pth"),
    "resnet50.bt_in1k": (RA, HF + "weights/rw_resnet50-86acaeed.pth"),
    "resnet50.tv_in1k": (TV, PT + "resnet50-0676ba61.pth"),
    "resnet50.tv2_in1k": (TV2, PT + "resnet50-11ad3fa6.pth"),
    "resnet50.bamboo": (BAMBOO, NO_URL),
    "resnet50.fb_ssl_yfcc100m_ft_in1k": (SEMI, FB + "supervised_resnet50-08389792.pth"),
    "resnet50.fb_swsl_ig1b_ft_in1k": (SEMI, FB + "weakly_supervised_resnet50-16a12f1b.pth"),
    "resnet50.gluon_in1k": (GLUON, GL + "resnet50_v1b-0ebe02e2.pth"),
    "resnet50_gn.a1h_in1k": (at(224, 0.94, 288, 0.95), RW + "rsb-weights/resnet50_gn_a1h2-8fe6c4d0.pth"),
    "resnet50c.gluon_in1k": (GLUON, GL + "resnet50_v1c-48092f55.pth"),
    "resnet50d.ra2_in1k": (RA, RW + "weights/resnet50d_ra2-464e36ba.pth"),
    "resnet50d.ra4_e3600_r224_in1k": (RA4_95, NO_URL),
    "resnet50d.a1_in1k": (RSB, HF + "rsb-weights/resnet50d_a1_0-e20cff14.pth"),
    "resnet50d.a2_in1k": (RSB, HF + "rsb-weights/resnet50d_a2_0-a3adc64d.pth"),
    "resnet50d.a3_in1k": (RSB_A3, HF + "rsb-weights/resnet50d_a3_0-403fdfad.pth"),
    "resnet50d.gluon_in1k": (GLUON, GL + "resnet50_v1d-818a1b1b.pth"),
    "resnet50s.gluon_in1k": (GLUON, GL + "resnet50_v1s-1762acc0.pth"),
    "resnet101.a1h_in1k": (RSB, RW + "rsb-weights/resnet101_a1h-36d3f2aa.pth"),
    "resnet101.a1_in1k": (RSB, HF + "rsb-weights/resnet101_a1_0-cdcb52a9.pth"),
    "resnet101.a2_in1k": (RSB, HF + "rsb-weights/resnet101_a2_0-6edb36c7.pth"),
    "resnet101.a3_in1k": (RSB_A3, HF + "rsb-weights/resnet101_a3_0-1db14157.pth"),
    "resnet101.tv_in1k": (TV, PT + "resnet101-63fe2227.pth"),
    "resnet101.tv2_in1k": (TV2, PT + "resnet101-cd907fc2.pth"),
    "resnet101.gluon_in1k": (GLUON, GL + "resnet101_v1b-3b017079.pth"),
    "resnet101c.gluon_in1k": (GLUON, GL + "resnet101_v1c-1f26822a.pth"),
    "resnet101d.ra2_in1k": (RA_256, RW + "weights/resnet101d_ra2-2803ffab.pth"),
    "resnet101d.gluon_in1k": (GLUON, GL + "resnet101_v1d-0f9c8644.pth"),
    "resnet101s.gluon_in1k": (GLUON, GL + "resnet101_v1s-60fe0cc1.pth"),
    "resnet152.a1h_in1k": (RSB, RW + "rsb-weights/resnet152_a1h-dc400468.pth"),
    "resnet152.a1_in1k": (RSB, HF + "rsb-weights/resnet152_a1_0-2eee8a7a.pth"),
    "resnet152.a2_in1k": (RSB, HF + "rsb-weights/resnet152_a2_0-b4c6978f.pth"),
    "resnet152.a3_in1k": (RSB_A3, HF + "rsb-weights/resnet152_a3_0-134d4688.pth"),
    "resnet152.tv_in1k": (TV, PT + "resnet152-394f9c45.pth"),
    "resnet152.tv2_in1k": (TV2, PT + "resnet152-f82ba261.pth"),
    "resnet152.gluon_in1k": (GLUON, GL + "resnet152_v1b-c1edb0dd.pth"),
    "resnet152c.gluon_in1k": (GLUON, GL + "resnet152_v1c-a3bb0b98.pth"),
    "resnet152d.ra2_in1k": (RA_256, RW + "weights/resnet152d_ra2-5cac0439.pth"),
    "resnet152d.gluon_in1k": (GLUON, GL + "resnet152_v1d-bd354e12.pth"),
    "resnet152s.gluon_in1k": (GLUON, GL + "resnet152_v1s-dcc41b81.pth"),
    "resnet200d.ra2_in1k": (RA_256, RW + "weights/resnet200d_ra2-bdba9bf9.pth"),
    "wide_resnet50_2.racm_in1k": (RA, RW + "weights/wide_resnet50_racm-8234f177.pth"),
    "wide_resnet50_2.tv_in1k": (TV, PT + "wide_resnet50_2-95faca4d.pth"),
    "wide_resnet50_2.tv2_in1k": (TV2, PT + "wide_resnet50_2-9ba9bcbe.pth"),
    "wide_resnet101_2.tv_in1k": (TV, PT + "wide_resnet101_2-32ee1156.pth"),
    "wide_resnet101_2.tv2_in1k": (TV2, PT + "wide_resnet101_2-d733dc28.pth"),
    "resnext50_32x4d.a1h_in1k": (RSB, RW + "rsb-weights/resnext50_32x4d_a1h-0146ab0a.pth"),
    "resnext50_32x4d.a1_in1k": (RSB, HF + "rsb-weights/resnext50_32x4d_a1_0-b5a91a1d.pth"),
    "resnext50_32x4d.a2_in1k": (RSB, HF + "rsb-weights/resnext50_32x4d_a2_0-efc76add.pth"),
    "resnext50_32x4d.a3_in1k": (RSB_A3, HF + "rsb-weights/resnext50_32x4d_a3_0-3e450271.pth"),
    "resnext50_32x4d.ra_in1k": (RA, HF + "weights/resnext50_32x4d_ra-d733960d.pth"),
    "resnext50_32x4d.tv_in1k": (TV, PT + "resnext50_32x4d-7cdf4587.pth"),
    "resnext50_32x4d.tv2_in1k": (TV2, PT + "resnext50_32x4d-1a0047aa.pth"),
    "resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k": (SEMI, FB + "supervised_resnext50_32x4-ddb3e555.pth"),
    "resnext50_32x4d.fb_swsl_ig1b_ft_in1k": (SEMI, FB + "weakly_supervised_resnext50_32x4-72679e44.pth"),
    "resnext50_32x4d.gluon_in1k": (GLUON, GL + "resnext50_32x4d-e6a097c1.pth"),
    "resnext50d_32x4d.bt_in1k": (RA, RW + "weights/resnext50d_32x4d-103e99f8.pth"),
    "resnext101_32x4d.fb_ssl_yfcc100m_ft_in1k": (SEMI, FB + "supervised_resnext101_32x4-dc43570a.pth"),
    "resnext101_32x4d.fb_swsl_ig1b_ft_in1k": (SEMI, FB + "weakly_supervised_resnext101_32x4-3f87e46b.pth"),
    "resnext101_32x4d.gluon_in1k": (GLUON, GL + "resnext101_32x4d-b253c8c4.pth"),
    "resnext101_32x8d.tv_in1k": (TV, PT + "resnext101_32x8d-8ba56ff5.pth"),
    "resnext101_32x8d.tv2_in1k": (TV2, PT + "resnext101_32x8d-110c445d.pth"),
    "resnext101_32x8d.fb_wsl_ig1b_ft_in1k": (WSL, PT + "ig_resnext101_32x8-c38310e5.pth"),
    "resnext101_32x8d.fb_ssl_yfcc100m_ft_in1k": (SEMI, FB + "supervised_resnext101_32x8-2cfe2f8b.pth"),
    "resnext101_32x8d.fb_swsl_ig1b_ft_in1k": (SEMI, FB + "weakly_supervised_resnext101_32x8-b4712904.pth"),
    "resnext101_32x16d.fb_wsl_ig1b_ft_in1k": (WSL, PT + "ig_resnext101_32x16-c6f796b0.pth"),
    "resnext101_32x16d.fb_ssl_yfcc100m_ft_in1k": (SEMI, FB + "supervised_resnext101_32x16-15fffa57.pth"),
    "resnext101_32x16d.fb_swsl_ig1b_ft_in1k": (SEMI, FB + "weakly_supervised_resnext101_32x16-f3559a9c.pth"),
    "resnext101_32x32d.fb_wsl_ig1b_ft_in1k": (WSL, PT + "ig_resnext101_32x32-e4b90b00.pth"),
    "resnext101_32x48d.fb_wsl_ig1b_ft_in1k": (WSL, PT + "ig_resnext101_32x48-3e41cc8a.pth"),
    "resnext101_64x4d.c1_in1k": (RSB, RW + "tpu-weights/resnext101_64x4d_c-0d0e0cc0.pth"),
    "resnext101_64x4d.tv_in1k": (TV, PT + "resnext101_64x4d-173b62eb.pth"),
    "resnext101_64x4d.gluon_in1k": (GLUON, GL + "resnext101_64x4d-f9a8e184.pth"),
    "seresnet50.a1_in1k": (RSB, HF + "rsb-weights/seresnet50_a1_0-ffa00869.pth"),
    "seresnet50.a2_in1k": (RSB, HF + "rsb-weights/seresnet50_a2_0-850de0d9.pth"),
    "seresnet50.a3_in1k": (RSB_A3, HF + "rsb-weights/seresnet50_a3_0-317ecd56.pth"),
    "seresnet50.ra2_in1k": (RA, RW + "weights/seresnet50_ra_224-8efdb4bb.pth"),
    "seresnet152d.ra2_in1k": (RA_256, RW + "weights/seresnet152d_ra2-04464dd2.pth"),
    "seresnext26d_32x4d.bt_in1k": (RA, RW + "weights/seresnext26d_32x4d-80fa48a3.pth"),
    "seresnext26t_32x4d.bt_in1k": (RA, RW + "weights/seresnext26tn_32x4d-569cb627.pth"),
    "seresnext50_32x4d.racm_in1k": (RA, RW + "weights/seresnext50_32x4d_racm-a304a460.pth"),
    "seresnext50_32x4d.gluon_in1k": (GLUON, GL + "seresnext50_32x4d-90cf2d6e.pth"),
    "seresnext101_32x4d.gluon_in1k": (GLUON, GL + "seresnext101_32x4d-cf52900d.pth"),
    "seresnext101_32x8d.ah_in1k": (RSB, RW + "tpu-weights/seresnext101_32x8d_ah-e6bc4c0a.pth"),
    "seresnext101_64x4d.gluon_in1k": (GLUON, GL + "seresnext101_64x4d-f9926f93.pth"),
    "seresnext101d_32x8d.ah_in1k": (RSB, RW + "tpu-weights/seresnext101d_32x8d_ah-191d7b94.pth"),
    "senet154.gluon_in1k": (GLUON, GL + "senet154-70a1a3c0.pth"),
    "ecaresnet26t.ra2_in1k": (ECA_256, RW + "weights/ecaresnet26t_ra2-46609757.pth"),
    "ecaresnet50d.miil_in1k": (MIIL, RW + "tresnet/ecaresnet50d-93c81e3b.pth"),
    "ecaresnet50d_pruned.miil_in1k": (MIIL, RW + "tresnet/ecaresnet50d_p-e4fa23c2.pth"),
    "ecaresnet50t.ra2_in1k": (replace(ECA_256, origin_url=None), RW + "weights/ecaresnet50t_ra2-f7ac63c4.pth"),
    "ecaresnet50t.a1_in1k": (RSB, HF + "rsb-weights/ecaresnet50t_a1_0-99bd76a8.pth"),
    "ecaresnet50t.a2_in1k": (RSB, HF + "rsb-weights/ecaresnet50t_a2_0-b1c7b745.pth"),
    "ecaresnet50t.a3_in1k": (RSB_A3, HF + "rsb-weights/ecaresnet50t_a3_0-8cc311f1.pth"),
    "ecaresnet101d.miil_in1k": (MIIL, RW + "tresnet/ecaresnet101d-153dad65.pth"),
    "ecaresnet101d_pruned.miil_in1k": (MIIL, RW + "tresnet/ecaresnet101d_p-9e74cb91.pth"),
    "ecaresnet269d.ra2_in1k": (at(320, 0.95, 352, 1.0), RW + "weights/ecaresnet269d_320_ra2-7baa55cb.pth"),
    "ecaresnetlight.miil_in1k": (MIIL, RW + "tresnet/ecaresnetlight-75a9c627.pth"),
    "resnetaa50.a1h_in1k": (RSB, RW + "rsb-weights/resnetaa50_a1h-4cf422b3.pth"),
    "resnetaa50d.sw_in12k_ft_in1k": (IN12K_FT, NO_URL),
    "resnetaa50d.sw_in12k": (IN12K, NO_URL),
    "resnetaa50d.d_in12k": (IN12K, NO_URL),
    "resnetaa101d.sw_in12k_ft_in1k": (IN12K_FT, NO_URL),
    "resnetaa101d.sw_in12k": (IN12K, NO_URL),
    "seresnextaa101d_32x8d.sw_in12k_ft_in1k_288": (IN12K_FT_288, NO_URL),
    "seresnextaa101d_32x8d.sw_in12k_ft_in1k": (IN12K_FT_224, NO_URL),
    "seresnextaa101d_32x8d.sw_in12k": (IN12K, NO_URL),
    "seresnextaa101d_32x8d.ah_in1k": (RSB, RW + "tpu-weights/seresnextaa101d_32x8d_ah-83c8ae12.pth"),
    "seresnextaa201d_32x8d.sw_in12k_ft_in1k_384": (IN12K_FT_384, NO_URL),
    "seresnextaa201d_32x8d.sw_in12k": (IN12K_320, NO_URL),
    "resnetblur50.bt_in1k": (RA, RW + "weights/resnetblur50-84f4748f.pth"),
    "resnetrs50.tf_in1k": (rs(160, 224, 0.91), RW + "rs-weights/resnetrs50_ema-6b53758b.pth"),
    "resnetrs101.tf_in1k": (rs(192, 288, 0.94), RW + "rs-weights/resnetrs101_i192_ema-1509bbf6.pth"),
    "resnetrs152.tf_in1k": (rs(256, 320, 1.0), RW + "rs-weights/resnetrs152_i256_ema-a9aff7f9.pth"),
    "resnetrs200.tf_in1k": (rs(256, 320, 1.0), RW + "tpu-weights/resnetrs200_c-6b698b88.pth"),
    "resnetrs270.tf_in1k": (rs(256, 352, 1.0), RW + "rs-weights/resnetrs270_ema-b40e674c.pth"),
    "resnetrs350.tf_in1k": (rs(288, 384, 1.0), RW + "rs-weights/resnetrs350_i256_ema-5a1aa8f1.pth"),
    "resnetrs420.tf_in1k": (rs(320, 416, 1.0), RW + "rs-weights/resnetrs420_ema-972dee69.pth"),
    "test_resnet.r160_in1k": (R160, NO_URL),
}
OFF_HUB = {"resnext101_32x48d.fb_wsl_ig1b_ft_in1k"}

DIGITS = PretrainedCfg(
    url="package:zoo_resnet/weights/test_resnet.digits.safetensors",
    sha256="4710c4dce905047744972f87abcc970d8ac38f54f7947c6af68a988024ac0a4b",
    input_size=(3, 32, 32),
    crop_pct=1.0,
    mean=INCEPTION_MEAN,
    std=INCEPTION_STD,
    num_classes=10,
    label_names=tuple("0123456789"),
    license="cc-by-4.0",
    description="Handwritten digits 0 to 9, light ink on a dark ground",
    origin_url="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
    notes=("accuracy: share right of a held-out fifth of the digits; the same people wrote the rest",),
    metrics={"accuracy": 0.9944},
)
"""Trained by ``examples/train_digits.py``, and shipped in this package."""

UNTRAINED = {
    **dict.fromkeys(["seresnet200d", "seresnet269d"], replace(RA, input_size=(3, 256, 256))),
    **dict.fromkeys(["ecaresnext26t_32x4d", "ecaresnext50t_32x4d"], OTHER),
    "ecaresnet200d": at(256, 0.95, 288, 0.95),
}
"""Default configs of architectures without weights, where they differ from `RA`."""
TRAINED = {name.partition(".")[0] for name in WEIGHTS}

PRETRAINED: dict[str, PretrainedCfg] = {
    "test_resnet.digits": DIGITS,
    **{
        name: replace(recipe, url=url, hf_hub_id=None if name in OFF_HUB else f"timm/{name}")
        for name, (recipe, url) in WEIGHTS.items()
    },
    **{name: UNTRAINED.get(name, RA) for name in ARCHITECTURES if name not in TRAINED},
}
