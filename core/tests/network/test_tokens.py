"""Networks whose maps are tokens: all that their contract promises, in every wrapper."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import TinyNet, TinyTokens
from torch import nn
from zoo_core.errors import FeatureError, OptionError
from zoo_core.features.getter import FeatureGetterNet
from zoo_core.features.hook import FeatureHookNet
from zoo_core.features.layout import LAYOUTS, convert_map
from zoo_core.features.wrap import wrap_features

X = torch.randn(2, 3, 16, 24)
WRAPPERS = ("list", "dict", "hook", "fx", "getter")


@pytest.fixture(params=[0, 3], ids=["no prefix", "prefix"])
def net(request):
    torch.manual_seed(0)
    return TinyTokens(request.param).eval()


def tokens_of(net, x):
    """The outputs of the blocks, without any walk of Zoo's."""
    patches = net.patches(net.stem(x)).flatten(2).transpose(1, 2)
    first = net.blocks[0](torch.cat((net.prefix.expand(len(x), -1, -1), patches), dim=1))
    return first, net.blocks[1](first)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_maps_are_the_tokens_in_the_layout_asked_for_with_their_prefix(net, layout):
    count = net.num_prefix_tokens
    features, (stem, *maps) = net.forward_intermediates(X, output_fmt=layout, return_prefix_tokens=True)
    assert torch.equal(features, net.norm(tokens_of(net, X)[1]))
    stem = stem[0] if count else stem
    assert torch.equal(stem, convert_map(net.stem(X), X, ("NCHW", layout, 2, 0)))
    for pair, tokens in zip(maps, tokens_of(net, X), strict=True):
        found, prefix = pair if count else (pair, tokens[:, :0])
        assert torch.equal(prefix, tokens[:, :count])
        assert torch.equal(found, convert_map(tokens, X, ("NLC", layout, 4, count)))


@pytest.mark.parametrize("indices", [None, (1,), (2, 0), 1], ids=str)
@pytest.mark.parametrize("stop_early", [True, False])
def test_the_norm_is_of_every_map_that_it_fits(net, indices, stop_early):
    options = {"indices": indices, "output_fmt": "NLC", "stop_early": stop_early, "intermediates_only": True}
    plain = net.forward_intermediates(X, **options)
    normed = net.forward_intermediates(X, norm=True, **options)
    for one, other in zip(normed, plain, strict=True):
        assert torch.equal(one, net.norm(other) if other.shape[2] == 6 else other)


def test_the_final_features_of_an_early_stop_are_those_of_the_last_stage_that_ran(net):
    runs = []
    net.blocks[1].register_forward_hook(lambda *_: runs.append(1))
    features, (found,) = net.forward_intermediates(X, (1,), stop_early=True, output_fmt="NLC")
    assert not runs
    assert torch.equal(features[:, net.num_prefix_tokens :], net.norm(found))


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("layout", [None, *LAYOUTS])
@pytest.mark.parametrize("indices", [None, (0,), (2, 0), (1,)], ids=str)
def test_every_wrapper_yields_what_forward_intermediates_does(net, wrapper, layout, indices):
    wanted = net.forward_intermediates(X, indices, output_fmt=layout or "NCHW", intermediates_only=True)
    extract = wrap_features(net, {"feature_cls": wrapper, "output_fmt": layout, "out_indices": indices})
    found = extract(X)
    found = list(found.values()) if isinstance(found, dict) else found
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))
    rows = net.feature_info
    assert extract.feature_info.output_fmt == (layout or "NCHW")
    layouts = [rows[index].get("layout", "NCHW") for index in extract.feature_info.out_indices]
    assert extract.feature_info.layout() == layouts


@pytest.mark.parametrize("wrapper", ["list", "dict", "fx"])
@pytest.mark.parametrize("layout", ["NCHW", "NLC"])
@pytest.mark.parametrize("program", ["script", "trace", "fx", "export"])
def test_programs_of_wrappers_yield_the_same(wrapper, layout, program):
    net = TinyTokens().eval()
    extract = wrap_features(net, {"feature_cls": wrapper, "output_fmt": layout, "out_indices": (2, 0)})
    made = {
        "script": torch.jit.script,
        "trace": lambda module: torch.jit.trace(module, (X,), strict=False),
        "fx": torch.fx.symbolic_trace,
        "export": lambda module: torch.export.export(module, (X,)).module(),
    }[program](extract)
    found, wanted = made(X), extract(X)
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)
        found, wanted = found.values(), wanted.values()
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(LAYOUTS), st.sampled_from(WRAPPERS))
def test_for_any_size_of_images_shapes_follow_the_table(rows, columns, layout, wrapper):
    extract = wrap_features(TinyTokens().eval(), {"feature_cls": wrapper, "output_fmt": layout})
    maps = extract(torch.zeros(1, 3, 4 * rows, 4 * columns))
    maps = maps.values() if isinstance(maps, dict) else maps
    for row, found in zip(extract.feature_info.get_dicts(), maps, strict=True):
        sides = 4 * rows // row["reduction"], 4 * columns // row["reduction"]
        sizes = dict(zip("NHWCL", (1, *sides, row["num_chs"], sides[0] * sides[1]), strict=True))
        assert found.shape == tuple(sizes[axis] for axis in layout)


def test_the_getter_yields_prefix_tokens_where_there_are_some(net):
    options = {"feature_cls": "getter", "out_indices": (1, 2), "norm": True, "output_fmt": "NLC"}
    found = wrap_features(net, {**options, "return_prefix_tokens": True})(X)
    plain = wrap_features(net, options)(X)
    for pair, other, tokens in zip(found, plain, tokens_of(net, X), strict=True):
        one, prefix = pair if net.num_prefix_tokens else (pair, tokens[:, :0])
        assert torch.equal(one, other)
        assert torch.equal(torch.cat((prefix, one), dim=1), net.norm(tokens))


class Stranger(nn.Module):
    """A network of another library: a walk of its own, two formats, and an error for others."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.num_prefix_tokens = inner, inner.num_prefix_tokens
        rows = inner.feature_info[1:]
        self.feature_info = [{**row, "module": f"inner.{row['module']}"} for row in rows]

    def forward_intermediates(
        self, x, indices=None, return_prefix_tokens=False, norm=False, stop_early=False, output_fmt="NCHW",
        intermediates_only=False,
    ):  # fmt: skip
        assert output_fmt in ("NCHW", "NLC")
        return self.inner.forward_intermediates(
            x, [index + 1 for index in indices], norm, stop_early, output_fmt, intermediates_only, return_prefix_tokens
        )

    def forward(self, x):
        return self.inner(x)


@pytest.mark.parametrize("layout", [None, *LAYOUTS])
def test_another_librarys_network_is_asked_for_what_it_has(net, layout):
    stranger, conversion = Stranger(net), ("NLC", layout or "NCHW", 4, net.num_prefix_tokens)
    wanted = [convert_map(tokens, X, conversion) for tokens in tokens_of(net, X)]
    extract = wrap_features(stranger, {"output_fmt": layout})
    assert isinstance(extract, FeatureGetterNet)
    for wrapper in (extract, FeatureHookNet(stranger, output_fmt=layout or "NCHW")):
        assert all(torch.equal(one, other) for one, other in zip(wrapper(X), wanted, strict=True))
    if net.num_prefix_tokens:
        pairs = wrap_features(stranger, {"output_fmt": layout, "return_prefix_tokens": True})(X)
        for (found, prefix), one, tokens in zip(pairs, wanted, tokens_of(net, X), strict=True):
            assert torch.equal(found, one)
            assert torch.equal(prefix, tokens[:, :3])


def test_a_pyramid_of_maps_comes_as_tokens_too():
    net = TinyNet().eval()
    maps = net.forward_intermediates(X, output_fmt="NLC", intermediates_only=True)
    for found, one in zip(maps, net.forward_intermediates(X, intermediates_only=True), strict=True):
        assert torch.equal(found, one.flatten(2).transpose(1, 2))


def test_a_format_that_does_not_exist_is_refused(net):
    with pytest.raises(FeatureError, match="output_fmt 'NCL': expected one of 'NCHW', 'NHWC', 'NLC'"):
        net.forward_intermediates(X, output_fmt="NCL")


@pytest.mark.parametrize(("kind", "wanted"), [
    ("token", lambda tokens: tokens[:, 0]),
    ("avg", lambda tokens: tokens[:, 3:].mean(1)),
    ("max", lambda tokens: tokens[:, 3:].amax(1)),
    ("avgmax", lambda tokens: 0.5 * (tokens[:, 3:].mean(1) + tokens[:, 3:].amax(1))),
    ("", lambda tokens: tokens),
])  # fmt: skip
def test_the_pooling_of_tokens_can_be_chosen_and_replaced(kind, wanted):
    net = TinyTokens(num_classes=0, pool=kind).eval()
    features = net.forward_features(X)
    assert torch.equal(net(X), wanted(features))
    net = TinyTokens().eval()
    net.reset_classifier(0, kind)
    assert torch.equal(net.forward_head(features), wanted(features))
    assert net.head_hidden_size == 6
    assert isinstance(net.get_classifier(), nn.Identity)
    assert torch.equal(torch.jit.script(net)(X), net(X))
    if kind:
        net.reset_classifier(7)
        assert net(X).shape == (2, 7)


@pytest.mark.parametrize(("options", "message"), [
    ({"pool": "token", "prefix": 0}, "the network has no class token; 'avg' pools"),
    ({"pool": "avgg"}, "unknown global_pool 'avgg'. Did you mean 'avg'"),
    ({"pool": ""}, "global_pool '' needs num_classes=0"),
])  # fmt: skip
def test_a_pooling_that_cannot_be_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        TinyTokens(**options)


def test_pruning_drops_the_blocks_after_the_last_wanted_map(net):
    wanted = net.forward_intermediates(X, (1,), intermediates_only=True)
    assert net.prune_intermediate_layers([1]) == [1]
    assert not any(key.startswith(("blocks.1", "norm", "head")) for key in net.state_dict())
    found = net.forward_intermediates(X, (1,), stop_early=True, intermediates_only=True)
    assert torch.equal(found[0], wanted[0])
