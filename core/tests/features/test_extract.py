"""Extractors of modules that are no `Network`: a user's own, whose order of execution nobody
declares."""

import copy
import io

import pytest
import torch
from tiny import TinyNet
from torch import Tensor, nn
from zoo_core import FeatureGraphNet, FeatureHookNet, create_feature_extractor
from zoo_core.errors import FeatureError, OptionError
from zoo_core.features.wrap import wrap_features

WRAPPERS = ["hook", "fx"]


class Pyramid(nn.Module):
    """Registered in another order than it runs in; its stages are walked by index and by
    container."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 5)
        self.stages = nn.ModuleList([nn.Sequential(nn.Conv2d(c, c + 2, 3), nn.BatchNorm2d(c + 2)) for c in (4, 6)])
        self.stem = nn.Conv2d(3, 4, 3, stride=2)
        self.offset = nn.Parameter(torch.ones(1))
        self.aux = nn.Conv2d(4, 1, 1)
        self.feature_info = [
            {"num_chs": 4, "reduction": 2, "module": "stem"},
            {"num_chs": 6, "reduction": 2, "module": "stages.0"},
        ]

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x) + self.offset
        if self.training:
            x = x + self.aux(x)
        for index in range(len(self.stages)):
            x = self.stages[index](x)
        return self.head(x.mean((2, 3)))


class Branches(nn.Module):
    """A stage that returns two maps, as networks with several resolutions do."""

    def __init__(self) -> None:
        super().__init__()
        self.high, self.low = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.high(x), self.low(x)]


class Untraceable(nn.Module):
    """Asks for a value of its input, which no trace has."""

    def __init__(self) -> None:
        super().__init__()
        self.early, self.late = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.late(self.early(x) if x.sum() > -1e9 else x)


class Referring(nn.Module):
    """Calls its blocks by a list beside their container, and reads the width of what runs last
    before anything runs."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1))
        self.last = nn.Conv2d(5, 6, 1)
        self.steps = list(self.blocks)

    def forward(self, x: Tensor) -> Tensor:
        width = self.last.out_channels
        for step in self.steps:
            x = step(x)
        return self.last(x) * width


def seen(module, names, x):
    """The outputs of the named modules in one plain forward."""
    outputs = {}
    handles = [
        module.get_submodule(name).register_forward_hook(lambda _, __, out, name=name: outputs.update({name: out}))
        for name in names
    ]
    module(x)
    for handle in handles:
        handle.remove()
    return [outputs[name] for name in names]


@pytest.mark.parametrize("feature_cls", WRAPPERS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("names", [["stem"], ["stages.0"], ["stages.1", "stem"], ["stages.0.0", "stages.0"], ["head"]])
def test_any_modules_output_by_its_name(feature_cls, training, names):
    module = Pyramid().train(training)
    extractor = create_feature_extractor(copy.deepcopy(module), names, feature_cls=feature_cls)
    x = torch.randn(2, 3, 16, 16)
    maps = extractor(x)
    assert list(maps) == names
    for got, expected in zip(maps.values(), seen(module, names, x), strict=True):
        assert torch.equal(got, expected)
    state = module.state_dict()
    for key, value in extractor.state_dict().items():
        assert torch.equal(value, state[key]), key


@pytest.mark.parametrize("feature_cls", WRAPPERS)
def test_what_runs_after_the_last_wanted_module_is_not_kept_whatever_its_place(feature_cls):
    module = Pyramid()
    keys = set(module.state_dict())
    extractor = create_feature_extractor(module, ["stages.0"], feature_cls=feature_cls)
    kept = {key.partition(".")[0] if "stages" not in key else key[:8] for key in extractor.state_dict()}
    assert kept == {"stem", "offset", "aux", "stages.0"}  # `aux` runs before it, in train mode
    assert set(module.state_dict()) == keys
    assert module(torch.zeros(2, 3, 16, 16)).shape == (2, 5)


def test_hooks_stop_a_module_that_cannot_be_traced_and_keep_it_whole():
    module = Untraceable()
    extractor = create_feature_extractor(module, ["early"])
    runs = []
    module.late.register_forward_hook(lambda *_: runs.append("late"))
    x = torch.randn(1, 3, 4, 4)
    assert torch.equal(extractor(x)["early"], module.early(x))
    assert not runs
    assert set(extractor.state_dict()) == set(module.state_dict())
    with pytest.raises(FeatureError, match=r"torch.fx cannot trace Untraceable.*Use feature_cls='hook'"):
        create_feature_extractor(module, ["early"], feature_cls="fx")


def test_a_module_that_needs_what_would_be_dropped_stays_whole():
    module = Referring()
    extractor = create_feature_extractor(module, ["blocks.0"])
    x = torch.randn(1, 3, 4, 4)
    assert torch.equal(extractor(x)["blocks.0"], module.blocks[0](x))
    assert set(extractor.state_dict()) == set(module.state_dict())


@pytest.mark.parametrize("feature_cls", WRAPPERS)
def test_each_module_keeps_its_own_mode(feature_cls):
    module = Pyramid().train()
    module.stages[0].eval()
    extractor = create_feature_extractor(module, ["stages.0"], feature_cls=feature_cls)
    for one in (module, extractor):
        assert one.training
        assert one.stem.training
        assert not one.get_submodule("stages.0").training


@pytest.mark.parametrize("feature_cls", WRAPPERS)
def test_a_table_of_ones_own_serves_too(feature_cls):
    extractor = wrap_features(Pyramid(), {"feature_cls": feature_cls, "out_indices": (1, 0)})
    assert extractor.feature_info.channels() == [6, 4]
    assert [item.shape[1] for item in extractor(torch.zeros(2, 3, 16, 16))] == [6, 4]


def test_modules_of_a_network_in_any_order_and_beyond_its_walk():
    net = TinyNet().eval()
    x = torch.randn(2, 3, 16, 16)
    for feature_cls in WRAPPERS:
        maps = create_feature_extractor(net, ["fc", "stages.0.1", "stem"], feature_cls=feature_cls)(x)
        assert torch.equal(maps["fc"], net(x))
        assert torch.equal(maps["stem"], net.stem(x))


def test_the_network_that_hooks_read_still_scripts():
    net = TinyNet().eval()
    FeatureHookNet(net, out_indices=(1,))
    create_feature_extractor(net, ["stages.0"])
    x = torch.zeros(1, 3, 16, 16)
    assert torch.equal(torch.jit.script(net)(x), net(x))


@pytest.mark.parametrize("wrapper", [FeatureHookNet, FeatureGraphNet])
def test_several_tensors_of_one_module_are_joined_or_the_first_or_all(wrapper):
    module = nn.Sequential(Branches())
    info = [{"num_chs": 6, "reduction": 1, "module": "0"}]
    x = torch.randn(1, 3, 4, 4)
    high, low = module(x)
    assert torch.equal(wrapper(module, feature_info=info, feature_concat=True)(x)[0], torch.cat([high, low], 1))
    assert torch.equal(wrapper(module, feature_info=info, feature_concat=False)(x)[0], high)
    one, other = wrapper(module, feature_info=info)(x)[0]
    assert torch.equal(one, high)
    assert torch.equal(other, low)


@pytest.mark.parametrize("feature_cls", WRAPPERS)
def test_children_of_a_sequential_are_reached_under_their_own_names(feature_cls):
    module = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), nn.Conv2d(4, 5, 1))
    module.feature_info = [{"num_chs": 4, "reduction": 1, "module": "0.1"}]
    extractor = wrap_features(module, {"feature_cls": feature_cls, "flatten_sequential": True})
    assert list(extractor.state_dict()) == ["0.0.weight", "0.0.bias"]
    assert extractor(torch.zeros(1, 3, 4, 4))[0].shape == (1, 4, 4, 4)


def test_copies_and_pickles_keep_what_was_dropped_dropped():
    extractor = create_feature_extractor(Pyramid().eval(), ["stages.0"])
    stream = io.BytesIO()
    torch.save(extractor, stream)
    stream.seek(0)
    x = torch.randn(1, 3, 16, 16)
    for twin in (copy.deepcopy(extractor), torch.load(stream, weights_only=False)):
        assert torch.equal(twin(x)["stages.0"], extractor(x)["stages.0"])
        assert list(twin.state_dict()) == list(extractor.state_dict())


@pytest.mark.parametrize("feature_cls", WRAPPERS)
def test_compiles_into_one_graph_that_a_second_call_takes_again(feature_cls):
    extractor = create_feature_extractor(Pyramid().eval(), ["stages.0", "stem"], feature_cls=feature_cls)
    compiled = torch.compile(extractor, fullgraph=True, backend="eager")
    x = torch.randn(1, 3, 16, 16)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for images in (x, x + 1):
            for key, value in extractor(images).items():
                assert torch.equal(compiled(images)[key], value)
    torch.compiler.reset()


def test_exporting_a_forward_that_hooks_cut_short_is_refused():
    extractor = create_feature_extractor(Pyramid().eval(), ["stages.0"])
    with pytest.raises(Exception, match=r"torch.export cannot follow a forward that hooks cut short"):
        torch.export.export(extractor, (torch.zeros(1, 3, 16, 16),))


@pytest.mark.parametrize(
    ("feature_cfg", "error", "message"),
    [
        ({"feature_cls": "list", "feature_concat": True}, OptionError, "FeatureListNet has no option 'feature_concat'"),
        ({"feature_cls": "list", "out_map": ["a"]}, OptionError, "FeatureListNet has no option 'out_map'"),
        ({"feature_cls": "hook", "norm": True}, OptionError, "'norm'; it has out_indices, out_map"),
        (
            {"feature_cls": "hook", "output_fmt": "HWC"},
            FeatureError,
            "output_fmt 'HWC': expected one of 'NCHW', 'NHWC'",
        ),
        ({"feature_cls": "getter", "output_fmt": "nlc"}, FeatureError, "output_fmt 'nlc': expected one of"),
        ({"feature_cls": "list", "return_prefix_tokens": True}, OptionError, "no option 'return_prefix_tokens'"),
        ({"flatten_seqential": True}, OptionError, "Did you mean 'flatten_sequential'"),
    ],
)
def test_no_option_is_swallowed(feature_cfg, error, message):
    with pytest.raises(error, match=message):
        wrap_features(TinyNet(), feature_cfg)(torch.zeros(1, 3, 16, 16))


@pytest.mark.parametrize("feature_cls", ["list", "dict", "hook", "fx", "graph", "getter"])
def test_a_format_that_every_wrapper_has_is_taken(feature_cls):
    extractor = wrap_features(TinyNet(), {"feature_cls": feature_cls, "output_fmt": "NCHW", "flatten_sequential": True})
    assert len(extractor(torch.zeros(2, 3, 16, 16))) == 3
