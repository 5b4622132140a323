"""Names of classes."""

from __future__ import annotations

import pytest
from zoo_core.config import PretrainedCfg
from zoo_images.labels import Label, imagenet_labels, label_of


@pytest.mark.parametrize(
    ("tag", "classes", "index", "name", "synset"),
    [
        ("a1_in1k", 1000, 985, "daisy", "n11939491"),
        ("imagenet1k_v2", 1000, 0, "tench", "n01440764"),
        ("augreg_in21k_ft_in1k", 1000, 999, "toilet tissue", "n15075141"),
        ("sw_in12k", 11_821, 0, "benthos", "n00005787"),
        ("fb_in22k", 21_841, 0, "organism", "n00004475"),
    ],
)
def test_imagenets_classes_have_names(tag: str, classes: int, index: int, name: str, synset: str) -> None:
    cfg = PretrainedCfg(tag=tag, num_classes=classes)
    assert label_of(cfg, index) == Label(name, synset)


def test_a_thousand_other_classes_are_not_imagenets() -> None:
    assert label_of(PretrainedCfg(tag="mine"), 985) == Label("class 985")
    assert label_of(PretrainedCfg(tag="admin1k"), 985) == Label("class 985")
    assert label_of(PretrainedCfg(tag="a1_in1k", num_classes=10), 3) == Label("class 3")


def test_a_configs_own_names_come_first() -> None:
    names = tuple(map(str, range(1000)))
    cfg = PretrainedCfg(tag="a1_in1k", label_names=names, label_descriptions={"3": "three"})
    assert label_of(cfg, 3) == Label("three")
    assert label_of(cfg, 4) == Label("4")


@pytest.mark.peers
@pytest.mark.parametrize(
    ("name", "subset"),
    [
        ("imagenet-1k", "imagenet-1k"),
        ("imagenet-12k", "imagenet-12k"),
        ("imagenet-22k", "imagenet-22k"),
        ("imagenet-21k-goog", "imagenet-21k-goog"),
    ],
)
def test_the_order_is_that_of_the_published_weights(name: str, subset: str) -> None:
    import peers

    peers.prepare()
    from timm.data import ImageNetInfo

    info = ImageNetInfo(subset)
    labels = imagenet_labels(name)
    assert [label.synset for label in labels] == list(info.label_names())
    described = [info.index_to_description(index) for index in range(len(labels))]
    assert [label.name for label in labels] == [each.partition(",")[0] for each in described]
