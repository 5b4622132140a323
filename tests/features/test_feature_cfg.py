"""The wrapper's options as a caller of `create_model` gives them, over those of the family."""

import pytest
import torch
import zoo_core as zoo
import zoo_resnet
from extractors import FAMILIES, images
from zoo_core.errors import OptionError
from zoo_core.features.graph import FeatureGraphNet


@pytest.mark.parametrize("name", FAMILIES)
def test_options_of_the_wrapper_reach_it(name):
    cfg = {"out_indices": (2, 0), "feature_cls": "fx", "return_dict": True, "out_map": ("c", "a")}
    extract = zoo.create_model(name, features_only=True, feature_cfg=cfg)
    assert isinstance(extract, FeatureGraphNet)
    assert list(extract(images())) == ["c", "a"]
    assert cfg["out_indices"] == (2, 0)


def test_a_plain_argument_counts_for_more():
    extract = zoo.create_model("test_resnet", features_only=True, out_indices=(1,), feature_cfg={"out_indices": (2, 0)})
    assert extract.feature_info.out_indices == (1,)


def test_a_familys_own_options_stay_unless_replaced():
    family = zoo_resnet.FAMILY
    own = type(family)(
        name="own",
        package="zoo_resnet",
        network=family.network,
        architectures=family.architectures,
        pretrained=family.pretrained,
        feature_cfg={"feature_cls": "dict", "out_indices": (1, 2)},
    )
    build = own.constructor("test_resnet")
    with torch.no_grad():
        assert list(build(features_only=True)(images())) == ["1", "2"]
        assert list(build(features_only=True, feature_cfg={"out_indices": (0,)})(images())) == ["0"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features_only": True, "feature_cfg": {"out_index": (1,)}}, "feature_cfg has no 'out_index'.*'out_indices'"),
        ({"features_only": True, "feature_cfg": 3}, "feature_cfg 3: expected a dict of options"),
        ({"feature_cfg": {"out_indices": (1,)}}, "test_resnet: feature_cfg needs features_only=True"),
        ({"pruned": True}, "test_resnet has no option 'pruned'"),
        ({"variant": "resnet50"}, "test_resnet has no option 'variant'"),
        ({"model_cfg": {}}, "test_resnet has no option 'model_cfg'"),
        ({"pretrained_filter_fn": len}, "test_resnet has no option 'pretrained_filter_fn'"),
    ],
)
def test_what_cannot_be_done_is_one_clear_error(options, message):
    with pytest.raises(OptionError, match=message):
        zoo.create_model("test_resnet", **options)
