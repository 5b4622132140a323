"""The class from which a plugin's own tests of programs derive."""

from __future__ import annotations

import io
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import torch
from torch import nn

from zoo_kit.conformance.checks.programs import PROGRAMS, claims
from zoo_kit.conformance.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping


class ProgramConformance:
    """Tests of programs made of a plugin's networks: TorchScript, trace, graph, export, compile.

    `PluginConformance` makes them of the smallest architecture; this does so of the variants that
    its options build.

    Examples:
        >>> class TestPrograms(ProgramConformance):
        ...     plugin = "zoo-acme"
        ...     variants = {"dilated": ("acme_s", {"output_stride": 8})}
    """

    plugin: ClassVar[str]
    """The distribution; it must be installed."""
    variants: ClassVar[Mapping[str, tuple[str, Mapping[str, Any]]]]
    """A word for each variant, its architecture, and its options."""
    options: ClassVar[Mapping[str, Any]] = {}
    """Options of every variant."""
    quick: ClassVar[Collection[str] | None] = None
    """Variants without pytest's mark ``heavy``, and architectures without `mark`; None: all."""
    mark: ClassVar[str] = "heavy"
    """pytest's mark of architectures: where there are many, they take minutes."""

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        """Make one test per program and variant, and one per architecture."""

        def parametrize(name: str, values: Collection[str], mark: str) -> None:
            slow = [] if cls.quick is None else [value for value in values if value not in cls.quick]
            marked = [
                pytest.param(value, marks=getattr(pytest.mark, mark) if value in slow else ()) for value in values
            ]
            metafunc.parametrize(name, marked)

        if "variant" in metafunc.fixturenames:
            parametrize("variant", cls.variants, "heavy")
        if "architecture" in metafunc.fixturenames:
            parametrize("architecture", list(_subject(cls.plugin).models), cls.mark)
        if "program" in metafunc.fixturenames:
            metafunc.parametrize("program", PROGRAMS)

    @pytest.fixture(autouse=True)
    def _quiet(self) -> Iterator[None]:
        """Ignore warnings: torch deprecates TorchScript, and its tracers warn of its modules."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
        torch.compiler.reset()

    def _create(self, variant: str, **options: Any) -> nn.Module:
        name, own = self.variants[variant]
        return _subject(self.plugin).create(name, **{**self.options, **own, **options}).eval()

    def _images(self, variant: str) -> torch.Tensor:
        return _subject(self.plugin).images(self.variants[variant][0])

    def test_the_program_gives_what_the_network_gives(self, variant: str, program: str) -> None:
        """Compare logits; those of a scripted network also after saving and loading it."""
        net, images = self._create(variant), self._images(variant)
        if program not in claims(net):
            pytest.skip("its network does not claim it")
        with torch.no_grad():
            made: Any = PROGRAMS[program](net, images)
            # An exported program may add up in another order.
            torch.testing.assert_close(made(images), net(images), rtol=1e-4, atol=1e-4)
            if program == "script":
                assert torch.equal(_loaded(made)(images), made(images))

    def test_an_extractor_of_some_maps_scripts(self, variant: str) -> None:
        """Compare maps of networks that have lost their last stages or not, in several orders."""
        whole, images = self._create(variant), self._images(variant)
        if "script" not in claims(whole):
            pytest.skip("its network does not claim it")
        count = len(whole.feature_info)  # type: ignore[arg-type]
        for out_indices in sorted({(0,), (count // 2,), (count - 1,), (count - 1, 0), (min(1, count - 1),)}):
            net = self._create(variant, features_only=True, out_indices=out_indices)
            with torch.no_grad():
                for one, other in zip(torch.jit.script(net)(images), net(images), strict=True):
                    assert torch.equal(one, other), out_indices

    def test_every_architecture_scripts_and_exports(self, architecture: str) -> None:
        """Make both programs on the meta device, without running them."""
        subject = _subject(self.plugin)
        net = subject.meta(architecture)
        if "script" in claims(net):
            torch.jit.script(net)
        if "export" in claims(net):
            torch.export.export(net, (subject.images(architecture).to("meta"),))

    def test_compiled_checkpointing_updates_statistics_once(self) -> None:
        """Train the smallest architecture for a step, compiled and with gradient checkpointing."""
        subject = _subject(self.plugin)
        name = subject.sample[0]
        net: Any = subject.create(name).train()
        net.set_grad_checkpointing()
        compiled: Any = torch.compile(net, fullgraph=True, backend="aot_eager")
        compiled(subject.images(name)).sum().backward()
        counts = {int(value) for key, value in net.named_buffers() if key.endswith(".num_batches_tracked")}
        assert counts <= {1}


def _loaded(scripted: Any) -> Any:
    stream = io.BytesIO()
    torch.jit.save(scripted, stream)
    stream.seek(0)
    return torch.jit.load(stream)  # type: ignore[no-untyped-call]


@cache
def _subject(distribution: str) -> Subject:
    return Subject(distribution)
