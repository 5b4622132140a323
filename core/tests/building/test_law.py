"""The law of building: for any module whatever, the builder yields what calling its constructor
yields.

Hostile constructors, which hypothesis draws as lists of steps of plain PyTorch, are built both
ways. Two seeds tell what is random: a value that is the same under both is determined, and the
builder's must equal it bit for bit; where they differ, the builder's must be the same under the
same seed, and follow the same distribution.
"""

from __future__ import annotations

import copy
import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from zoo_core.building.build import build_model_with_cfg
from zoo_core.building.materialise import building, complete
from zoo_core.config import PretrainedCfg
from zoo_core.errors import PluginError
from zoo_core.network import Network

SIZE = (24, 20)  # enough numbers to know a distribution by
CFG = PretrainedCfg(num_classes=5, input_size=(3, 8, 8), first_conv=None, classifier=None)
SEEDS = (0, 1)

# How a tensor comes to be.
FACTORIES = {
    "empty": lambda: torch.empty(SIZE),
    "empty of a list": lambda: torch.empty([*SIZE], dtype=torch.float32, device="cpu"),
    "zeros": lambda: torch.zeros(SIZE),
    "ones": lambda: torch.ones(*SIZE),
    "full": lambda: torch.full(SIZE, 3.5),
    "rand": lambda: torch.rand(SIZE),
    "randn": lambda: torch.randn(*SIZE) * 0.02,
    "eye": lambda: torch.eye(*SIZE),
    "arange": lambda: torch.arange(480.0).view(SIZE),
    "linspace": lambda: torch.linspace(0, 1, 480).reshape(SIZE),
    "empty_like": lambda: torch.empty_like(torch.zeros(SIZE)),
    "new_empty": lambda: torch.zeros(1).new_empty(SIZE),
    "Tensor": lambda: torch.Tensor(*SIZE),
    "permuted": lambda: torch.randperm(480).float().view(SIZE),
    "own generator": lambda: torch.rand(SIZE, generator=torch.Generator().manual_seed(7)),
    "out": lambda: torch.randn(SIZE, out=torch.empty(SIZE)),
}


def _truncated(tensor: Tensor) -> None:
    """A normal distribution within two deviations, by the inverse of its distribution function."""
    with torch.no_grad():
        tensor.uniform_(-0.9545, 0.9545)
        tensor.erfinv_()
        tensor.mul_(0.02 * 2**0.5).add_(0.01)
        tensor.clamp_(min=-0.03, max=0.05)


# What gives a tensor values, whatever it held; the first thing that happens to memory that nobody
# has written.
FILLS = {
    "uniform_": lambda t: t.uniform_(-0.5, 0.5),
    "uniform_, lopsided": lambda t: t.uniform_(1, to=2),
    "normal_": lambda t: t.normal_(std=0.02),
    "truncated by steps": _truncated,
    "normal_, twice": lambda t: t.normal_().uniform_(),
    "zero_": lambda t: t.zero_(),
    "fill_": lambda t: t.fill_(0.25),
    "copy_": lambda t: t.copy_(torch.arange(480.0).view(SIZE)),
    "copy_ of random": lambda t: t.copy_(torch.rand(SIZE)),
    "init.ones_": nn.init.ones_,
    "init.constant_": lambda t: nn.init.constant_(t, 2.0),
    "init.uniform_": lambda t: nn.init.uniform_(t, -1.0, 3.0),
    "init.normal_": lambda t: nn.init.normal_(t, 1.0, 0.1),
    "init.trunc_normal_": lambda t: nn.init.trunc_normal_(t, std=0.02),
    "init.xavier_uniform_": nn.init.xavier_uniform_,
    "init.kaiming_uniform_": lambda t: nn.init.kaiming_uniform_(t, a=5**0.5),
    "init.kaiming_normal_": lambda t: nn.init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"),
    "init.orthogonal_": nn.init.orthogonal_,
    "init.eye_": nn.init.eye_,
    "own generator": lambda t: t.normal_(generator=torch.Generator().manual_seed(3)),
    "own generator, by init": lambda t: nn.init.kaiming_normal_(t, generator=torch.Generator().manual_seed(3)),
    "out": lambda t: torch.rand(SIZE, out=t),
}
# What works on the values that are there, or only looks.
CHANGES = {
    "mul_": lambda t: t.mul_(0.1),
    "mul_ and add_": lambda t: t.mul_(0.5).add_(1, alpha=2),
    "clamp_": lambda t: t.clamp_(max=0.3),
    "div_ by itself": lambda t: t.div_(t.abs().max() + 1),
    "data.mul_": lambda t: t.data.mul_(3),
    "slice": lambda t: t[1:3].fill_(7.0),
    "setitem": lambda t: t.__setitem__((slice(None), 0), -1.0),
    "row of random": lambda t: t[0].normal_(),
    "add_ of another": lambda t: t.add_(torch.ones(SIZE)),
    "view": lambda t: t.view(-1)[::2].zero_(),
    "detach": lambda t: t.detach().clamp_(-0.01, 0.01),
    "numpy": lambda t: t.detach().numpy().__setitem__(3, 5.0),
    "storage": lambda t: t.untyped_storage().copy_(torch.ones(480).untyped_storage()),
    "foreach": lambda t: torch._foreach_mul_([t], 2.0),
    "erfinv_": lambda t: t.clamp_(-0.9, 0.9).erfinv_(),
    "swap of rows": lambda t: t.copy_(t.flip(0)),
    "read": lambda t: float(t.sum()),
    "printed": repr,
    "looked at": lambda t: (t.shape, t.numel(), t.is_contiguous(), t.dtype, len(t), hash(t)),
    "frozen": lambda t: t.requires_grad_(False),
    "seeded after": lambda t: torch.manual_seed(123),
    "seeded as the caller did": lambda t: torch.manual_seed(0),
    "bernoulli_": lambda t: t.bernoulli_(0.5),
}


def _forked(tensor: Tensor) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        tensor.normal_()


def _refused(tensor: Tensor) -> None:
    for attempt in (lambda: tensor.normal_(std=-1.0), lambda: tensor.uniform_(2.0, 1.0), lambda: tensor.fill_("x")):
        with pytest.raises((RuntimeError, TypeError)):
            attempt()
    with torch.enable_grad(), pytest.raises(RuntimeError, match=r"leaf Variable|in-place"):
        tensor.detach().requires_grad_().normal_()


CHANGES |= {"forked": _forked, "refused": _refused}

HOLDERS = (
    "parameter",
    "buffer",
    "transient",
    "layer",
    "attribute alias",
    "second parameter",
    "tied",
    "twice",
    "shared layer",
)
LAYERS = {
    "linear": lambda: nn.Linear(20, 24),
    "conv": lambda: nn.Conv1d(20, 24, 1),
    "embedding": lambda: nn.Embedding(24, 20, padding_idx=0),
    "weight norm": lambda: parametrizations.weight_norm(nn.Linear(20, 24)),
    "attention": lambda: nn.MultiheadAttention(4, 2),
    "lstm": lambda: nn.LSTM(6, 6),
    "batch norm": lambda: nn.BatchNorm2d(6),
    "batch norm without": lambda: nn.BatchNorm2d(6, momentum=None, affine=False, track_running_stats=False),
    "group norm": lambda: nn.GroupNorm(2, 6, eps=1e-3),
    "layer norm": lambda: nn.LayerNorm([4, 6], bias=False),
    "convolution": lambda: nn.Conv2d(6, 8, (3, 1), padding="same", groups=2, padding_mode="reflect"),
    "convolution of doubles": lambda: nn.Conv2d(6, 8, 3, bias=False, dtype=torch.float64),
    "on meta": lambda: nn.Conv2d(3, 4, 1, device="meta").to_empty(device="cpu").apply(_zeroed),
    "frozen": lambda: nn.Linear(20, 24).requires_grad_(False).eval(),
    "lazy": lambda: nn.LazyLinear(4),
    "copied": lambda: copy.deepcopy(nn.Linear(20, 24)),
}


def _zeroed(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()


step = st.fixed_dictionaries(
    {
        "holder": st.sampled_from(HOLDERS),
        "factory": st.sampled_from(list(FACTORIES)),
        "fill": st.sampled_from(list(FILLS)),
        "changes": st.lists(st.sampled_from(list(CHANGES)), max_size=3),
        "layer": st.sampled_from(list(LAYERS)),
        "grad": st.booleans(),
        "first": st.booleans(),  # filled before it is registered
    }
)


class Hostile(Network):
    """What its steps make of it."""

    def __init__(self, steps: list[dict[str, Any]]) -> None:
        super().__init__()
        self.aliases: list[Tensor] = []
        for index, one in enumerate(steps):
            self._take(f"s{index}", one, [*self._parameters.values()], list(self._modules.values()))

    def _take(self, name: str, one: dict[str, Any], before: list[Any], layers: list[Any]) -> None:
        holder = one["holder"]
        if holder == "tied" and before:
            self.register_parameter(name, before[0])
        elif holder == "shared layer" and layers:
            self.add_module(name, layers[-1])
        elif holder in ("layer", "shared layer"):
            layer = LAYERS[one["layer"]]()
            self.add_module(name, layer)
            weight = getattr(layer, "weight", None)
            if type(weight) is nn.Parameter and weight.shape == SIZE:
                self._work(weight, one["changes"])
        else:
            tensor = FACTORIES[one["factory"]]()
            if one["first"]:
                FILLS[one["fill"]](tensor)
            made = tensor if holder in ("buffer", "transient") else nn.Parameter(tensor, requires_grad=one["grad"])
            if made is tensor:
                self.register_buffer(name, made, persistent=holder == "buffer")
            else:
                self.register_parameter(name, made)
            if holder == "attribute alias":
                self.aliases.append(tensor)
            if holder == "second parameter":
                self.register_parameter(f"{name}b", nn.Parameter(made))
            with torch.no_grad():
                if not one["first"]:
                    FILLS[one["fill"]](made)
                if holder == "twice":
                    FILLS[one["fill"]](made)
            self._work(made, one["changes"])

    def get_classifier(self) -> nn.Module:
        return nn.Identity()

    @staticmethod
    def _work(tensor: Tensor, changes: list[str]) -> None:
        with torch.no_grad():
            for change in changes:
                CHANGES[change](tensor)


def everything(model: nn.Module) -> dict[str, Tensor]:
    """All tensors of a module, shared ones under each of their names."""
    named = {
        **dict(model.named_parameters(remove_duplicate=False)),
        **dict(model.named_buffers(remove_duplicate=False)),
    }
    named |= {f"alias {index}": alias for index, alias in enumerate(getattr(model, "aliases", []))}
    return {name: one for name, one in named.items() if not isinstance(one, nn.parameter.UninitializedParameter)}


def attributes(module: nn.Module) -> list[tuple[str, Any]]:
    """What a module holds besides tensors and modules, in its order: types of containers, and plain
    values."""
    plain = (bool, int, float, str, tuple, type(None))
    own = vars(module).items() if type(module).__module__.startswith("torch.nn.modules") else ()
    return [(name, value if type(value) in plain else type(value)) for name, value in own]


def structure(model: nn.Module) -> Any:
    """What a module is, but for the values: names, kinds, flags, and which of its tensors and
    modules are one."""
    tensors, modules = everything(model), dict(model.named_modules(remove_duplicate=False))
    first_tensor = {id(one): name for name, one in reversed(tensors.items())}
    first_memory = {one.data_ptr(): name for name, one in reversed(tensors.items()) if not one.is_meta and one.numel()}
    first_module = {id(one): name for name, one in reversed(modules.items())}
    return (
        [(k, type(t), t.shape, t.stride(), t.dtype, t.requires_grad, first_tensor[id(t)]) for k, t in tensors.items()],
        [(key, type(one).__qualname__, one.training, first_module[id(one)]) for key, one in modules.items()],
        [(key, attributes(one)) for key, one in modules.items()],
        list(model.state_dict()),
        [first_memory.get(one.data_ptr()) for one in tensors.values() if not one.is_meta],
    )


def alike(one: Tensor, other: Tensor) -> bool:
    """Whether two samples may be of one distribution: Kolmogorov and Smirnov, at odds of one in
    millions."""
    one, other = one.flatten().float(), other.flatten().float()
    if one.numel() < 50:
        return True
    at = torch.cat([one, other]).unique()
    below = [torch.searchsorted(sample.sort().values, at, right=True) / sample.numel() for sample in (one, other)]
    return bool((below[0] - below[1]).abs().max() <= 2.9 * (2 / one.numel()) ** 0.5)


def assert_same(built: nn.Module, plain: list[nn.Module], again: nn.Module) -> None:
    """Assert that `built`, and `again` from the same seed, are as `plain`, the constructor's
    from two seeds."""
    mine, repeated = everything(built), everything(again)
    first, second = map(everything, plain)
    for name, value in mine.items():
        assert torch.equal(value, repeated[name]), f"{name} differs under the same seed"
        if torch.equal(first[name], second[name]):
            assert torch.equal(value, first[name]), f"{name} is not what the constructor makes it"
        else:
            assert alike(value, first[name]), f"{name} is of another distribution"


def plainly(steps: list[dict[str, Any]]) -> list[nn.Module]:
    models = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        models.append(Hostile(steps))
    return models


def build(steps: list[dict[str, Any]], pretrained: bool = False, seed: int = 0, **options: Any) -> nn.Module:
    torch.manual_seed(seed)
    options.setdefault("default_cfg", CFG)
    return build_model_with_cfg(Hostile, "hostile", pretrained, model_cfg=steps, **options)


law = settings(deadline=None, max_examples=500, suppress_health_check=list(HealthCheck), derandomize=True)


@law
@given(steps=st.lists(step, min_size=1, max_size=5))
def test_what_is_built_is_what_the_constructor_makes(steps: list[dict[str, Any]]) -> None:
    plain, built = plainly(steps), build(steps)
    assert structure(built) == structure(plain[0])
    assert_same(built, plain, build(steps))


@law
@given(steps=st.lists(step, min_size=1, max_size=5), data=st.data())
def test_weights_replace_what_they_bring_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, steps: list[dict[str, Any]], data: st.DataObject
) -> None:
    steps = [one for one in steps if one["layer"] != "lazy"]  # which has no shapes to check weights against
    plain = plainly(steps)
    shapes = {key: value.shape for key, value in plain[0].state_dict().items() if isinstance(value, Tensor)}
    assume(shapes)  # weights none of whose names fit are an error
    brought = data.draw(st.lists(st.sampled_from(list(shapes)), unique=True, min_size=1))
    weights = {key: torch.randn(shapes[key]) for key in brought}
    path = Path(tmp_path_factory.getbasetemp()) / "law.safetensors"
    save_file(weights, path)
    options = {
        "pretrained_cfg_overlay": {"file": str(path)},
        "pretrained_strict": False,
        "mmap": data.draw(st.booleans()),
    }
    built, again = (build(steps, pretrained=True, **options) for _ in range(2))
    for model in plain:
        model.load_state_dict(weights, strict=False)
    assert structure(built) == structure(plain[0])
    assert_same(built, plain, again)
    for key, value in weights.items():
        if everything(built)[key].dtype == value.dtype and everything(plain[0])[key].equal(value):
            assert torch.equal(everything(built)[key], value)


@settings(law, max_examples=150)
@given(steps=st.lists(step, min_size=1, max_size=5), default=st.booleans())
def test_on_the_meta_device_it_is_the_same_without_values(steps: list[dict[str, Any]], default: bool) -> None:
    plain = plainly(steps)[0]
    torch.manual_seed(0)
    state = torch.get_rng_state()
    if default:
        with torch.device("meta"):
            built = build(steps)
    else:
        built = build(steps, device="meta")
    assert torch.equal(torch.get_rng_state(), state), "what has no values draws none"
    tensors = {name: one for name, one in everything(built).items() if not name.startswith("alias")}
    assert all(one.is_meta for one in tensors.values())
    for part in (0, 1, 2):
        mine, theirs = structure(built)[part], structure(plain)[part]
        assert [row for row in mine if not str(row[0]).startswith("alias")] == [
            row for row in theirs if not str(row[0]).startswith("alias")
        ]


class Scaled(Network):
    """What strangers write, and what held whatever memory held: the three examples that made the
    law."""

    def __init__(self, num_classes: int = 5) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(64))
        self.token = nn.Parameter(torch.randn(1, 64, 20) * 0.02)
        self.register_buffer("window", torch.zeros(8, 8))
        self.window[2:6, 2:6].fill_(1.0)
        self.fc = nn.Linear(64, num_classes)

    def get_classifier(self) -> nn.Module:
        return self.fc


@pytest.fixture(params=["fresh", "loaded"])
def scaled(request: pytest.FixtureRequest, tmp_path: Path) -> nn.Module:
    file = tmp_path / "fc.safetensors"
    save_file(Scaled().fc.state_dict(prefix="fc."), file)
    options = {"pretrained_cfg_overlay": {"file": str(file)}, "pretrained_strict": False}
    poison = torch.full((1 << 16,), float("nan"))  # what freed memory holds
    del poison
    loads = request.param == "loaded"
    return build_model_with_cfg(Scaled, "scaled", loads, default_cfg=CFG, **(options if loads else {}))


def test_a_parameter_of_ones_holds_ones(scaled: nn.Module) -> None:
    assert torch.equal(scaled.scale, torch.ones(64))


def test_a_scaled_draw_is_scaled(scaled: nn.Module) -> None:
    assert 0.018 < scaled.token.std() < 0.022


def test_a_buffer_that_is_filled_in_part_holds_that(scaled: nn.Module) -> None:
    expected = torch.zeros(8, 8)
    expected[2:6, 2:6] = 1
    assert torch.equal(scaled.window, expected)


def test_a_tensor_that_nobody_wrote_is_an_error_with_its_name() -> None:
    class Forgotten(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Linear(2, 2)
            self.block.scale = nn.Parameter(torch.empty(3))

    for device in ("cpu", "meta"):
        with pytest.raises(PluginError, match=r"block.scale is not initialised: Forgotten makes it with torch.empty"):
            build_model_with_cfg(Forgotten, "forgotten", False, device=device)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_constructor_that_sets_the_seed_makes_the_same_each_time(seed: int) -> None:
    class Seeded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before = nn.Linear(64, 64)
            torch.manual_seed(SEEDS[0])
            self.after = nn.Linear(64, 64)

    wanted = Seeded().after.weight
    built = []
    for _ in range(2):
        torch.manual_seed(seed)
        built.append(build_model_with_cfg(Seeded, "seeded", False))
    torch.manual_seed(seed + 1)
    other = build_model_with_cfg(Seeded, "seeded", False)
    assert all(torch.equal(net.after.weight, wanted) for net in (*built, other))
    assert torch.equal(built[0].before.weight, built[1].before.weight)
    assert not torch.equal(built[0].before.weight, other.before.weight)


def test_weights_write_what_the_constructor_left(tmp_path: Path) -> None:
    class Left(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.empty(3))

    save_file({"scale": torch.ones(3)}, tmp_path / "w.safetensors")
    overlay = {"file": str(tmp_path / "w.safetensors")}
    assert torch.equal(build_model_with_cfg(Left, "left", True, pretrained_cfg_overlay=overlay).scale, torch.ones(3))


def test_a_file_in_which_two_names_are_one_tensor_gives_two(tmp_path: Path) -> None:
    shared = torch.ones(SIZE)
    torch.save({"s0": shared, "s1": shared}, tmp_path / "w.pth")
    one = {"holder": "parameter", "factory": "empty", "fill": "normal_", "changes": [], "grad": True, "first": False}
    net = build([one, one], pretrained=True, mmap=True, pretrained_cfg_overlay={"file": str(tmp_path / "w.pth")})
    with torch.no_grad():
        net.s0.zero_()
    assert torch.equal(net.s1, torch.ones(SIZE))


def test_a_filter_may_bring_tensors_of_the_network_itself(tmp_path: Path) -> None:
    one = {"holder": "parameter", "factory": "empty", "fill": "normal_", "changes": [], "grad": True, "first": False}
    save_file({"s0": torch.ones(SIZE)}, tmp_path / "w.safetensors")
    net = build(
        [one, one, one],
        pretrained=True,
        pretrained_strict=False,
        pretrained_cfg_overlay={"file": str(tmp_path / "w.safetensors")},
        pretrained_filter_fn=lambda weights, model: {**weights, "s1": model.s2},
    )
    assert torch.equal(net.s1, net.s2)
    assert 0.018 < net.s2.std() < 0.022


def test_weights_leave_a_parameter_the_one_that_it_is(tmp_path: Path) -> None:
    """Attributes, hooks and lists of parameters, as schedulers and optimisers use them, stay
    with the parameter."""

    class Marked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(8, 8)
            self.fc.weight.no_decay = True
            self.decayed = [self.fc.weight]

    save_file(Marked().state_dict(), tmp_path / "w.safetensors")
    overlay = {"file": str(tmp_path / "w.safetensors")}
    net = build_model_with_cfg(Marked, "marked", True, mmap=True, pretrained_cfg_overlay=overlay)
    assert net.decayed[0] is net.fc.weight
    assert net.fc.weight.no_decay


def test_another_thread_builds_as_ever_meanwhile() -> None:
    started, done, found = threading.Event(), threading.Event(), []

    class Slow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(32, 32)
            started.set()
            assert done.wait(60)

    def other() -> None:
        assert started.wait(60)
        found.append(nn.Linear(64, 64).weight.detach().numpy().copy())  # whatever it holds now
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    net = build_model_with_cfg(Slow, "slow", False)
    thread.join()
    for weight, bound in ((net.fc.weight, 32**-0.5), (torch.from_numpy(found[0]), 64**-0.5)):
        assert 0.4 * bound < weight.std() < 0.7 * bound


def test_a_network_inside_another_is_ready_while_the_other_is_built(tmp_path: Path) -> None:
    save_file({"fc.weight": torch.ones(5, 64)}, tmp_path / "w.safetensors")
    overlay = {"file": str(tmp_path / "w.safetensors")}

    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            options = {"pretrained_cfg_overlay": overlay, "pretrained_strict": False}
            self.inner = build_model_with_cfg(Scaled, "inner", True, default_cfg=CFG, **options)
            self.seen = self.inner.fc.weight.sum().item()
            self.drawn = self.inner.fc.bias.tolist()

    pair = build_model_with_cfg(Pair, "pair", False)
    assert pair.seen == 5 * 64
    assert torch.equal(pair.inner.fc.weight, torch.ones(5, 64))
    assert pair.drawn == pair.inner.fc.bias.tolist()
    assert 0 < max(map(abs, pair.drawn)) <= 0.125


@pytest.mark.parametrize("symmetric", [True, False])
def test_steps_after_a_draw_give_the_same_bits_whenever_they_are_done(symmetric: bool) -> None:
    class Stepped(nn.Module):
        def __init__(self, looks: bool) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(7, 5))
            with torch.no_grad():
                self.weight.uniform_(-0.9, 0.9 if symmetric else 0.8)
                if looks:
                    assert float(self.weight.abs().sum()) > 0
                self.weight.erfinv_().mul_(0.3).add_(0.1).clamp_(min=-0.2, max=0.3).sub_(1, alpha=2).div_(3)

    made = []
    for looks in (True, False):
        torch.manual_seed(0)
        with building() as deferral:
            made.append(Stepped(looks))
        complete(made[-1], deferral)
    assert torch.equal(made[0].weight, made[1].weight)


def test_a_step_that_is_refused_is_refused_where_it_stands() -> None:
    with building():
        weight = nn.Parameter(torch.empty(2).uniform_())
        with pytest.raises(RuntimeError, match="leaf Variable"):
            weight.mul_(2)
        with torch.no_grad(), pytest.raises(TypeError):
            weight.mul_("x")
        with torch.no_grad(), pytest.raises(RuntimeError):
            weight.to(torch.int64).erfinv_()
    assert 0 <= float(weight.detach()[0]) <= 1


def test_an_error_in_a_constructor_ends_the_deferral() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            nn.Conv2d(6, 6, 3, groups=4)

    with pytest.raises(ValueError, match="divisible by groups"):
        build_model_with_cfg(Broken, "broken", False)
    assert nn.Linear(64, 64).weight.std() > 0.05


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_what_was_deferred_is_freed_with_the_build(device: str) -> None:
    """Without a look of the garbage collector, which may be long in coming."""
    gc.disable()
    try:
        with building(device) as deferral:
            net = nn.Linear(64, 64)
        complete(net, deferral, device)
        ended = weakref.ref(deferral)
        del deferral
        assert ended() is None
    finally:
        gc.enable()


def test_a_generator_that_is_set_back_gives_the_same_draws_again() -> None:
    """By `fork_rng`, which sets no seed, and by hand."""

    class Twins(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            with torch.random.fork_rng(devices=[]):
                self.forked = nn.Linear(64, 64)
            state = torch.get_rng_state()
            self.first = nn.Linear(64, 64)
            torch.set_rng_state(state)
            self.second = nn.Linear(64, 64)
            self.other = nn.Linear(64, 64)

    for net in (Twins(), build_model_with_cfg(Twins, "twins", False)):
        assert torch.equal(net.forked.weight, net.first.weight)
        assert torch.equal(net.first.weight, net.second.weight)
        assert torch.equal(net.first.bias, net.second.bias)
        assert not torch.equal(net.other.weight, net.second.weight)
