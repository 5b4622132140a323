"""Networks are timm's, bit for bit: values, buffers, logits, whatever the options."""

from __future__ import annotations

import re
from pathlib import Path

import numpy
import peers
import pytest
import torch
import zoo_core as zoo
from twins import assert_same, outputs, pair, weights
from zoo_core.errors import OptionError, WeightsError

pytestmark = pytest.mark.peers
SIZE = (3, 160, 160)
SMALL = (
    "test_vit",  # position embedding
    "test_vit_relpos",  # relative indices in buffers
    "test_efficientnet",
    "test_resnet",
    "test_convnext",
    "test_maxvit",  # windows, relative positions
    "test_nfnet",  # scaled standardised weights
    "test_byobnet",
    "test_mambaout",
)


@pytest.fixture(scope="module", autouse=True)
def timm():
    peers.prepare()
    import timm

    return timm


@pytest.fixture(scope="module")
def files(timm, tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("weights"), {}

    def file(architecture: str) -> Path:
        if architecture not in made:
            torch.manual_seed(7)
            made[architecture] = weights(timm.create_model(architecture), folder / f"{architecture}.safetensors")
        return made[architecture]

    return file


@pytest.mark.parametrize("architecture", SMALL)
def test_a_network_with_weights_is_timms(files, architecture):
    theirs, ours = pair(architecture, files(architecture))
    assert_same(theirs, ours)
    size = ours.pretrained_cfg["input_size"]
    assert torch.equal(outputs(theirs, size), outputs(ours, size))


@pytest.mark.parametrize("architecture", SMALL)
def test_without_weights_every_buffer_is_timms(timm, architecture):
    theirs, ours = timm.create_model(architecture), zoo.create_model(f"zoo-timm/{architecture}")
    assert {name: tensor.shape for name, tensor in theirs.named_parameters()} == {
        name: tensor.shape for name, tensor in ours.named_parameters()
    }
    buffers = dict(ours.named_buffers())
    for name, buffer in theirs.named_buffers():
        assert torch.equal(buffer, buffers[name]), name
    assert ours.training


@pytest.mark.parametrize("architecture", ["test_vit", "test_efficientnet", "test_convnext", "test_mambaout"])
@pytest.mark.parametrize("channels", [1, 4])
def test_other_channels_and_classes_are_adapted_as_timm_does(timm, files, architecture, channels):
    theirs, ours = pair(architecture, files(architecture), in_chans=channels, num_classes=7)
    classifier = timm.get_pretrained_cfg(architecture).classifier
    assert_same(theirs, ours, but=(f"{classifier}.weight", f"{classifier}.bias"))
    size = (channels, *SIZE[1:])
    with torch.no_grad():
        assert torch.equal(theirs.forward_features(torch.ones(1, *size)), ours.forward_features(torch.ones(1, *size)))
    assert outputs(ours, size).shape == (1, 7)


def test_a_position_embedding_is_resized_by_timms_own_conversion(files):
    theirs, ours = pair("test_vit", files("test_vit"), img_size=224)
    assert_same(theirs, ours)
    assert ours.pos_embed.shape != pair("test_vit", files("test_vit"))[1].pos_embed.shape


def test_names_of_an_older_checkpoint_are_converted(timm, tmp_path):
    """A checkpoint in the layout of another library, which only timm's converter reads."""
    net = timm.create_model("convnext_atto")
    older = {  # regular expressions: a name of timm's to the one of the paper's own code
        r"^stem\.(\d)": r"downsample_layers.0.\1",
        r"^stages\.(\d)\.downsample": r"downsample_layers.\1",
        r"^stages\.(\d)\.blocks": r"stages.\1",
        r"\.conv_dw": ".dwconv",
        r"\.mlp\.fc(\d)": r".pwconv\1",
        r"^head\.norm": "norm",
        r"^head\.fc": "head",
    }
    state = {}
    for key, value in net.state_dict().items():
        name = key
        for ours, theirs in older.items():
            name = re.sub(ours, theirs, name)
        state[name] = value + 0.5
    path = tmp_path / "foreign.pth"
    torch.save({"model": state}, path)
    theirs, ours = pair("convnext_atto", path)
    assert_same(theirs, ours)
    assert torch.equal(ours.stem[0].bias, net.stem[0].bias + 0.5)


def test_a_mapped_file_gives_the_same_bits(files):
    path = files("test_vit")
    overlay = {"file": str(path)}
    plain, mapped = (
        zoo.create_model("zoo-timm/test_vit", True, pretrained_cfg_overlay=overlay, mmap=mmap) for mmap in (False, True)
    )
    assert_same(plain, mapped)


@pytest.mark.parametrize("dtype", ["bfloat16", torch.float64])
def test_dtype_and_device_are_zoos(files, dtype):
    overlay = {"file": str(files("test_vit"))}
    net = zoo.create_model("zoo-timm/test_vit", True, pretrained_cfg_overlay=overlay, dtype=dtype)
    assert {parameter.dtype for parameter in net.parameters()} == {torch.bfloat16 if dtype == "bfloat16" else dtype}
    on_meta = zoo.create_model("zoo-timm/test_vit", device="meta")
    assert all(tensor.is_meta for tensor in on_meta.state_dict().values())


def test_weights_that_do_not_fit_say_so(files):
    with pytest.raises(WeightsError, match="do not fit"):
        zoo.create_model("zoo-timm/test_vit", True, pretrained_cfg_overlay={"file": str(files("test_resnet"))})


def test_a_file_that_is_not_the_one_of_the_config_is_refused(files):
    overlay = {"url": files("test_vit").as_uri(), "sha256": "0" * 64}
    with pytest.raises(WeightsError, match="SHA-256"):
        zoo.create_model("zoo-timm/test_vit", True, pretrained_cfg_overlay=overlay)


def test_offline_it_says_where_it_looked(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match=r"(?s)test_vit\.r160_in1k: its weights are not on this machine.*Looked for"):
        zoo.create_model("zoo-timm/test_vit", True, cache_dir=tmp_path)


def test_an_unknown_option_is_said_with_the_nearest():
    with pytest.raises(OptionError, match=r"test_vit has no option 'drop_ratee'. Did you mean 'drop_rate'"):
        zoo.create_model("zoo-timm/test_vit", drop_ratee=0.1)


def test_an_architecture_without_weights_says_so():
    with pytest.raises(WeightsError, match="no pretrained weights for test_mambaout"):
        zoo.create_model("zoo-timm/test_mambaout", True)


def test_a_checkpoint_of_other_classes_says_how_many(tmp_path):
    path = weights(zoo.create_model("zoo-timm/test_vit", num_classes=9), tmp_path / "nine.safetensors")
    with pytest.raises(WeightsError, match=r"are for 9 classes, .* 1000 of its config: give num_classes=9$"):
        zoo.create_model("zoo-timm/test_vit", checkpoint_path=path)
    assert zoo.create_model("zoo-timm/test_vit", checkpoint_path=path, num_classes=9).num_classes == 9


def test_what_jax_saved_is_read_by_timms_own_loader(tmp_path):
    """A vision transformer in the layout of its first publication, which is no state dict."""
    import timm

    torch.manual_seed(3)
    net = timm.create_model("vit_tiny_patch16_224", depth=2, num_classes=9)
    arrays = {key: value.numpy() for key, value in jax_names(net.state_dict(), net.embed_dim, heads=3).items()}
    path = tmp_path / "weights.npz"
    numpy.savez(path, **arrays)
    theirs = timm.create_model("vit_tiny_patch16_224", depth=2, num_classes=9)
    theirs.load_pretrained(str(path))
    overlay = {"url": path.as_uri(), "custom_load": True}
    ours = zoo.create_model(
        "zoo-timm/vit_tiny_patch16_224", True, depth=2, num_classes=9, pretrained_cfg_overlay=overlay
    )
    assert_same(theirs, ours)
    assert torch.equal(ours.head.weight, net.head.weight)


def jax_names(state, width: int, heads: int):
    named = {
        "embedding/kernel": state["patch_embed.proj.weight"].permute(2, 3, 1, 0),
        "embedding/bias": state["patch_embed.proj.bias"],
        "cls": state["cls_token"],
        "Transformer/posembed_input/pos_embedding": state["pos_embed"],
        "Transformer/encoder_norm/scale": state["norm.weight"],
        "Transformer/encoder_norm/bias": state["norm.bias"],
        "head/kernel": state["head.weight"].t(),
        "head/bias": state["head.bias"],
    }
    for block in range(2):
        ours, theirs = f"blocks.{block}.", f"Transformer/encoderblock_{block}/"
        attention = theirs + "MultiHeadDotProductAttention_1/"
        for index, part in enumerate(("query", "key", "value")):
            rows = slice(index * width, (index + 1) * width)
            weight, bias = state[ours + "attn.qkv.weight"][rows], state[ours + "attn.qkv.bias"][rows]
            named[f"{attention}{part}/kernel"] = weight.t().reshape(width, heads, -1)
            named[f"{attention}{part}/bias"] = bias.reshape(heads, -1)
        named[f"{attention}out/kernel"] = state[ours + "attn.proj.weight"].t().reshape(heads, -1, width)
        named[f"{attention}out/bias"] = state[ours + "attn.proj.bias"]
        for index in (0, 1):
            dense = f"{theirs}MlpBlock_3/Dense_{index}/"
            named[f"{dense}kernel"] = state[f"{ours}mlp.fc{index + 1}.weight"].t()
            named[f"{dense}bias"] = state[f"{ours}mlp.fc{index + 1}.bias"]
        for index, norm in ((0, "norm1"), (2, "norm2")):
            named[f"{theirs}LayerNorm_{index}/scale"] = state[f"{ours}{norm}.weight"]
            named[f"{theirs}LayerNorm_{index}/bias"] = state[f"{ours}{norm}.bias"]
    return named
