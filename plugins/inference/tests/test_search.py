"""`optimize`: the fastest engine that is right, and never a slower or a wrong one."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, cast

import pytest
import torch
import zoo_core
import zoo_inference
from small_nets import Answer, Branching, OnlyThisBatch, filled
from torch import Tensor, nn
from zoo_core.errors import OptionError
from zoo_inference import search
from zoo_inference.engines import table
from zoo_inference.engines.subject import Subject
from zoo_inference.engines.table import AS_GIVEN, Engine

SIZE = 32


def digits() -> nn.Module:
    return zoo_core.create_model("test_resnet.digits", pretrained=True).eval()


def tried(monkeypatch: pytest.MonkeyPatch, **builds: Any) -> list[str]:
    """Let these engines, and no other, be tried."""
    monkeypatch.setattr(table, "ENGINES", {name: Engine(build=build) for name, build in builds.items()})
    monkeypatch.setattr(search, "ENGINES", table.ENGINES)
    return list(builds)


def slowed(net: nn.Module) -> nn.Module:
    """A network that computes everything three times."""

    class Slow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(3):
                y = self.net(x)
            return y

    return Slow().eval()


def test_every_engine_gives_the_models_logits_at_every_batch_size() -> None:
    net = digits()
    fast = zoo_inference.optimize(net, torch.randn(2, 3, SIZE, SIZE), budget_s=60)
    report = fast.report
    right = [attempt for attempt in report.attempts if attempt.error is not None]
    assert {attempt.name for attempt in right} >= {"folded", "script", "openvino", "onnxruntime"}
    assert all(attempt.error <= 1e-4 for attempt in right if attempt.error is not None)
    assert report.attempt("grown").reason == "it has no dense blocks"
    assert report.ratio >= 1
    for batch in (1, 2, 5):
        x = torch.randn(batch, 3, SIZE, SIZE)
        with torch.no_grad():
            expected = net(x)
        assert torch.allclose(fast(x), expected, atol=1e-4)
        assert torch.equal(fast(x).argmax(1), expected.argmax(1))


@pytest.mark.parametrize("backend", ["fused", "script", "openvino", "onnxruntime"])
def test_an_extractor_stays_one(backend: str) -> None:
    net = filled(zoo_core.create_model("test_cspnet", features_only=True, out_indices=(1, 3)))
    example = torch.randn(1, 3, 64, 64)
    fast = zoo_inference.optimize(net, example, backends=[backend], budget_s=30)
    assert fast.report.attempt(backend).error is not None, fast.report
    run = table.ENGINES[backend].build(Subject(net, example))
    with torch.no_grad():
        for outputs in (run(example), fast(example)):
            assert type(outputs) is list
            for output, expected in zip(outputs, net(example), strict=True):
                assert output.is_contiguous()
                assert torch.allclose(output, expected, atol=1e-4 * float(expected.abs().max()))
    assert fast.feature_info.channels() == net.feature_info.channels()


def test_outputs_in_a_dict() -> None:
    net, x = Answer().eval(), torch.randn(2, 3, 8, 8)
    for name in ("fused", "openvino", "onnxruntime", "script"):
        with torch.no_grad():
            outputs = table.ENGINES[name].build(Subject(net, x))(x)
            assert list(outputs) == ["map", "mean"]
            assert torch.allclose(outputs["mean"], net(x)["mean"], atol=1e-5)


def test_a_wrong_engine_is_refused_however_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = slowed(digits()), torch.randn(1, 3, SIZE, SIZE)
    answers = {n: net(torch.zeros(n, 3, SIZE, SIZE)).detach() for n in (1, 2, 3)}
    names = tried(
        monkeypatch,
        constant=lambda _: lambda x: answers[len(x)],
        other_batch=lambda subject: lambda x: subject.net(x) if len(x) == 1 else subject.net(x)[:1],
        raises=lambda _: lambda _: 1 / 0,
    )
    report = zoo_inference.optimize(net, x, backends=names, budget_s=10).report
    assert report.chosen == AS_GIVEN
    assert report.attempt("constant").reason.startswith("its outputs differ: ")
    assert report.attempt("other_batch").reason == "its outputs differ: inf is more than 0.0001"
    assert report.attempt("raises").reason == "ZeroDivisionError: division by zero"


def test_what_is_not_faster_is_never_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = digits(), torch.randn(1, 3, SIZE, SIZE)
    names = tried(monkeypatch, same=lambda subject: subject.net, slow=lambda subject: slowed(subject.net))
    fast = zoo_inference.optimize(net, x, backends=["slow"], budget_s=5)
    assert fast.report.chosen == AS_GIVEN
    assert fast.report.attempt("slow").reason == "it is not faster"
    assert torch.equal(fast(x), net(x))
    assert names == ["same", "slow"]


def test_the_fastest_of_the_right_ones_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = digits(), torch.randn(1, 3, SIZE, SIZE)
    slow = slowed(slowed(net))
    names = tried(monkeypatch, better=lambda _: slowed(net), best=lambda _: net)
    report = zoo_inference.optimize(slow, x, backends=names, budget_s=20).report
    assert report.chosen == "best"
    assert report.ratio > 3


def test_an_engine_that_was_far_behind_at_first_may_still_win(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(nn.Module):
        """As slow as two of `better`, until it has been compared and measured once."""

        runs = 0

        def forward(self, x: Tensor) -> Any:
            Late.runs += 1
            for _ in range(1 if Late.runs > 16 else 6):
                y = net(x)
            return y

    net, x = digits(), torch.randn(1, 3, SIZE, SIZE)
    names = tried(monkeypatch, better=lambda _: slowed(net), late=lambda _: Late().eval())
    report = zoo_inference.optimize(slowed(slowed(net)), x, backends=names, budget_s=20).report
    assert report.chosen == "late"
    assert report.attempt("better").reason == ""


def test_a_budget_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(subject: Subject) -> nn.Module:
        time.sleep(0.3)
        return subject.net

    names = tried(monkeypatch, first=build, second=build)
    report = zoo_inference.optimize(digits(), torch.randn(1, 3, SIZE, SIZE), backends=names, budget_s=0.2).report
    assert report.attempt("second").reason == "no time was left"


def test_a_network_that_no_tracer_follows_stays_right() -> None:
    net = Branching().eval()
    nn.init.eye_(net.conv.weight.data[..., 0, 0])
    fast = zoo_inference.optimize(net, torch.ones(1, 3, 8, 8), budget_s=30)
    assert "torch.fx cannot trace it" in fast.report.attempt("fused").reason
    for x in (torch.ones(1, 3, 8, 8), -torch.ones(1, 3, 8, 8)):
        assert torch.allclose(fast(x), net(x), atol=1e-5)


def test_a_network_whose_trace_holds_for_one_batch_alone_stays_right() -> None:
    net = OnlyThisBatch().eval()
    fast = zoo_inference.optimize(net, torch.randn(2, 3, 8, 8), backends=["script", "onnxruntime"], budget_s=30)
    x = torch.randn(4, 3, 8, 8)
    assert torch.allclose(fast(x), net(x), atol=1e-5)


def test_inputs_that_were_not_checked_go_through_the_model() -> None:
    net = digits()
    fast = zoo_inference.optimize(net, torch.randn(1, 3, SIZE, SIZE), backends=["folded"], budget_s=10)
    larger = torch.randn(1, 3, 64, 64)
    assert not fast.covers(larger)
    assert torch.equal(fast(larger), net(larger))
    x = torch.randn(1, 3, SIZE, SIZE, requires_grad=True)
    fast(x).sum().backward()
    assert x.grad is not None


def test_a_model_that_answers_every_image_alike_proves_little(tmp_path: Path) -> None:
    net, image, options = digits(), torch.randn(1, 3, SIZE, SIZE), {"backends": ["folded"], "budget_s": 20}
    fast = zoo_inference.optimize(net, image, **options)
    assert fast.report.variation is not None
    assert fast.report.variation > 0.1
    assert fast.report.caveat == ""
    nn.init.zeros_(net.get_classifier().weight)
    said = "equal outputs prove little: for two inputs the model's own differ by 0.0e+00; "
    said += "give it the weights that will be used"
    fast = zoo_inference.optimize(net, image, **options)
    assert str(fast.report).splitlines()[-1] == fast.report.caveat == said
    zoo_inference.save(fast, tmp_path / "fast.safetensors")
    assert zoo_inference.load(tmp_path / "fast.safetensors", elsewhere=True).report.caveat == said


def test_the_model_does_not_change_and_lends_its_attributes() -> None:
    net = digits()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fast = zoo_inference.optimize(net, torch.randn(1, 3, SIZE, SIZE), backends="torch", budget_s=20)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert fast.num_classes == 10
    assert fast.pretrained_cfg == net.pretrained_cfg
    assert not hasattr(fast, "no_such_attribute")
    assert "times as fast" in repr(fast)
    assert not fast.eval().training


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda fast: fast.train(), "train its `original`"),
        (lambda fast: fast.half(), "move its `original`"),
        (lambda fast: fast.load_state_dict({}), "weights built in"),
        (copy.deepcopy, "use zoo_inference.save"),
        (pickle.dumps, "use zoo_inference.save"),
    ],
)
def test_what_an_optimised_model_cannot_do_says_what_can(change: Any, said: str) -> None:
    fast = zoo_inference.optimize(digits(), torch.randn(1, 3, SIZE, SIZE), backends=["folded"], budget_s=5)
    with pytest.raises(OptionError, match=said):
        change(fast)


def test_what_cannot_be_optimised_is_an_error() -> None:
    net, x = digits(), torch.randn(1, 3, SIZE, SIZE)
    with pytest.raises(OptionError, match=r"call model\.eval\(\) first"):
        zoo_inference.optimize(digits().train(), x)
    with pytest.raises(OptionError, match="Did you mean 'openvino'"):
        zoo_inference.optimize(net, x, backends=["openvno"])
    with pytest.raises(OptionError, match="first axis is the batch"):
        zoo_inference.optimize(net, [x])  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="tolerance -1"):
        zoo_inference.optimize(net, x, tolerance=-1)
    hooked = digits()
    hooked.layer1.register_forward_hook(lambda *_: None)
    with pytest.raises(OptionError, match="module 'layer1' has hooks"):
        zoo_inference.optimize(hooked, x)
    fast = zoo_inference.optimize(net, x, backends=["folded"], budget_s=5)
    with pytest.raises(OptionError, match="optimised already"):
        zoo_inference.optimize(fast, x)


def test_low_precision_comes_by_name_alone() -> None:
    for backends in ("auto", "torch"):
        assert not {"bfloat16", "float16"} & set(table.chosen_engines(backends, "cpu", 1e6))
    assert "compile" not in table.chosen_engines("auto", "cpu", 60)
    assert "compile" in table.chosen_engines("auto", "cpu", 600)
    net, x = digits(), torch.randn(1, 3, SIZE, SIZE)
    report = zoo_inference.optimize(net, x, backends="bfloat16", budget_s=5).report
    assert report.attempt("bfloat16").reason.startswith("its outputs differ")
    report = zoo_inference.optimize(net, x, backends="bfloat16", tolerance=0.2, budget_s=5).report
    assert 1e-4 < (report.attempt("bfloat16").error or 0) < 0.2


def test_create_model_takes_the_option() -> None:
    fast = zoo_core.create_model(
        "test_resnet.digits", pretrained=True, optimize={"backends": ["folded"], "budget_s": 5}
    )
    assert isinstance(fast, zoo_inference.Optimized)
    assert [attempt.name for attempt in fast.report.attempts] == ["folded"]
    assert fast.made_with["options"] == {}
    assert type(zoo_core.create_model("test_resnet", optimize=False)).__name__ == "ResNet"
    with pytest.raises(OptionError, match=r"optimize has no option 'budget'\. Did you mean 'budget_s'"):
        zoo_core.create_model("test_resnet", optimize={"budget": 5})
    with pytest.raises(OptionError, match="optimize is True"):
        zoo_core.create_model("test_resnet", optimize=3)


SIGNALLED = """
import gc, os, signal, torch, zoo_core, zoo_inference
net = zoo_core.create_model("test_resnet.digits", pretrained=True).eval()
x = torch.randn(1, 3, 32, 32)
first, second = (zoo_inference.optimize(net, x, backends=["openvino"], budget_s=9) for _ in range(2))
del first
gc.collect()
del second
gc.collect()
handled = []
signal.signal(signal.SIGUSR1, lambda *_: handled.append(True))
os.kill(os.getpid(), signal.SIGUSR1)
assert handled
"""


def test_signals_are_handled_after_models_of_openvino_have_gone() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", SIGNALLED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_engine_that_was_chosen_before_is_not_measured_again() -> None:
    net, images = digits(), torch.randn(2, 3, SIZE, SIZE)
    for engine in ("folded", "script", "as given"):
        again = zoo_inference.with_engine(net, images, engine)
        assert again.report.chosen == engine
        assert torch.allclose(again(images), net(images), atol=1e-4)
    with pytest.raises(OptionError, match="'grown' does not run the model here: it has no dense blocks"):
        zoo_inference.with_engine(net, images, "grown")
    with pytest.raises(OptionError, match="unknown backend 'foldd'"):
        zoo_inference.with_engine(net, images, "foldd")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the memory of a process from /proc")
@pytest.mark.parametrize("engine", ["fused", "script", "openvino", "onnxruntime"])
def test_weights_go_with_the_models_that_had_them(engine: str) -> None:
    code = f"""
import ctypes, gc, pathlib, torch, zoo_inference
def held():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096
def once():
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Flatten(), torch.nn.Linear(8 * 30 * 30, 4096)).eval()
    x = torch.randn(1, 3, 32, 32)
    zoo_inference.with_engine(net, x, {engine!r})(x)
once()
before = held()
for _ in range(3):
    once()
print((held() - before) / (8 * 30 * 30 * 4096 * 4))  # in networks
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1


def test_engines_are_tried_with_the_callers_threads_and_without_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, bool]] = []

    def build(subject: Subject) -> Any:
        seen.append((torch.get_num_threads(), torch.is_grad_enabled()))
        return subject.net

    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            zoo_inference.optimize(digits(), torch.randn(1, 3, SIZE, SIZE), backends=tried(monkeypatch, noting=build))
    finally:
        torch.set_num_threads(before)
    assert seen == [(1, False), (2, False)]


def test_engines_are_measured_in_the_callers_thread_and_with_no_other_beside_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, running = threading.active_count(), set()

    def build(subject: Subject) -> Any:
        def run(x: Tensor) -> Tensor:
            running.add((threading.get_ident(), threading.active_count()))
            return cast(Tensor, subject.net(x))

        return run

    zoo_inference.optimize(digits(), torch.randn(1, 3, SIZE, SIZE), backends=tried(monkeypatch, noting=build))
    assert running == {(threading.get_ident(), before)}


@pytest.mark.parametrize("again", [0.0, 1.0], ids=["the same", "another"])
def test_an_engine_with_weights_of_its_own_is_built_anew_in_the_callers_thread_and_compared(
    again: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, threads = slowed(digits()), []

    def build(subject: Subject) -> Any:
        threads.append(threading.get_ident())
        offset = again if len(threads) > 1 else 0.0
        return lambda x: subject.net.net(x) + offset

    tried(monkeypatch)
    table.ENGINES["fast"] = Engine(build=build, own_weights=True)
    images = torch.randn(1, 3, SIZE, SIZE)
    fast = zoo_inference.optimize(net, images, backends=["fast"])
    assert len(threads) == 2
    assert threads[0] != threads[1] == threading.get_ident()
    assert torch.equal(fast(images), net(images))
    assert fast.report.chosen == (AS_GIVEN if again else "fast")
    assert ("built anew, its outputs differ" in str(fast.report)) == bool(again)


INTERRUPTED = """
import os, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a background job inherits as ignored
import torch, zoo_core, zoo_inference
from zoo_inference import search
from zoo_inference.engines import table

tried = []
search._Search.final = lambda self, seconds: tried.append("final")
def interrupting(subject):
    tried.append("first")
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1)
    return subject.net
def second(subject):
    tried.append("second")
    return subject.net

table.ENGINES.clear()
table.ENGINES.update(first=table.Engine(build=interrupting), second=table.Engine(build=second))
net = zoo_core.create_model("test_resnet.digits", pretrained=True).eval()
try:
    zoo_inference.optimize(net, torch.randn(1, 3, 32, 32), backends=["first", "second"])
except KeyboardInterrupt:
    print(*tried)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends this signal to a console, and not to a process")
def test_an_interrupt_ends_the_search_after_the_engine_that_is_being_built() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], check=True, capture_output=True, text=True, timeout=300)
    assert done.stdout.split() == ["first"]
