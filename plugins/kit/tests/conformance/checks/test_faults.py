"""One fault at a time in a copy of the example plugin: the kit finds it, and names it."""

from __future__ import annotations

import multiprocessing
import shutil
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import pytest
from wheels import ROOT, build_wheel, run_kit, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INIT, MODEL, HOOKS = "zoo_tinynet/__init__.py", "zoo_tinynet/model.py", "zoo_tinynet/hooks.py"
ARCHITECTURES, CONFIG = "zoo_tinynet/architectures.py", "zoo_tinynet/config.py"
MODELS, CONFIGS = "zoo_tinynet/models.json", "zoo_tinynet/configs.json"
FACTS = "zoo_tinynet/facts.json"
WEIGHTS = "zoo_tinynet/weights/tinynet_8.digits.safetensors"
METADATA, ENTRY_POINTS = "zoo_tinynet-0.2.0.dist-info/METADATA", "zoo_tinynet-0.2.0.dist-info/entry_points.txt"
DELETED = "(the file is deleted)"

SUPER = "        super().__init__()\n        if cfg.width"
READY = "        self.init_weights()\n"
GROUPS = "    def group_matcher("
RESET = """\
    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        known = self.num_classes
        super().reset_classifier(num_classes, global_pool)
"""
HEAD = "        x = self.drop(self.global_pool(x))\n"


class Fault(NamedTuple):
    """A change of the copy, the check that finds it, and a part of what the check says."""

    check: str
    says: str
    file: str
    old: str
    new: str


def after(text: str, more: str) -> tuple[str, str]:
    return text, text + more


def before(text: str, more: str) -> tuple[str, str]:
    return text, more + text


BRANCH = after("        x = self.stem(x)\n", "        if x.sum() > 0:\n            x = x + 1\n")
BY_SIZE = after("        x = self.stem(x)\n", "        if x.shape[2] > 1000:\n            x = x + 1\n")
SECOND_FORWARD = """\
    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.global_pool(self.stages(self.stem(x))))

"""
NO_SEED = """\
    def init_module(self, module: nn.Module) -> None:
        for tensor in (*module.parameters(False), *module.buffers(False)):
            nn.init.ones_(tensor) if not tensor.is_meta else None

"""

OWN_START = """\
    def init_module(self, module: nn.Module) -> None:
        super().init_module(module)
        if isinstance(module, nn.Linear) and not module.weight.is_meta:
            nn.init.normal_(module.weight, std=2.0)
"""

FAULTS = {
    "made for a newer API": Fault("plugin-api", "made for version 2", MODELS, '"api": 1', '"api": 2'),
    "made for an older API": Fault("plugin-api", "upgrade the plugin", MODELS, '"api": 1', '"api": 0'),
    "no manifest": Fault("installation", "models.json cannot be read", MODELS, "", DELETED),
    "broken manifest": Fault("installation", "not valid JSON", MODELS, '"architectures": {', '"architectures": {,'),
    "entry point to nowhere": Fault("installation", "zoo_tinynt", ENTRY_POINTS, "zoo_tinynet:", "zoo_tinynt:"),
    "old name to nowhere": Fault(
        "installation", "'tinynet_9'", MODELS, '"tinynet": "tinynet_8"', '"tinynet": "tinynet_9"'
    ),
    "tag without config": Fault("installation", "tinynet_8.digits", CONFIGS, '"tinynet_8.digits"', '"tinynet_8.digit"'),
    "unknown config field": Fault("installation", "crop_pc", CONFIGS, '"crop_pct"', '"crop_pc"'),
    "no licence": Fault("packaging", "no licence", METADATA, "License-Expression: Apache-2.0\n", ""),
    "does not require core": Fault("packaging", "zoo-core", METADATA, "Requires-Dist: zoo-core<1,>=0.1\n", ""),
    "any Python": Fault("packaging", "requires-python", METADATA, "Requires-Python: >=3.11\n", ""),
    "untyped": Fault("packaging", "py.typed", "zoo_tinynet/py.typed", "", DELETED),
    "misspelt hook": Fault(
        "hooks", "'zoo_adapt_state_dic'", HOOKS, "def zoo_adapt_state_dict", "def zoo_adapt_state_dic"
    ),
    "hook without its module": Fault(
        "hooks", "zoo_tinynet.hook", ENTRY_POINTS, "zoo_tinynet.hooks", "zoo_tinynet.hook_"
    ),
    "hook that needs what is not there": Fault(
        "hooks", "'no_such_module'", HOOKS, *before("RENAMED =", "import no_such_module\n\n")
    ),
    "torch at import": Fault("imports", "zoo_tinynet imports torch", INIT, *before("from zoo_core", "import torch\n")),
    "environment changed at import": Fault(
        "imports", "os.environ", INIT, *before("FAMILY =", "import os\nos.environ['TINYNET'] = '1'\n")
    ),
    "prints at import": Fault("imports", "'hello'", INIT, *before("FAMILY =", "print('hello')\n")),
    "seeds torch": Fault(
        "global-state", "torch's random state", MODEL, *before(SUPER, "        torch.manual_seed(0)\n")
    ),
    "torch's settings changed": Fault(
        "global-state",
        "torch.backends.cudnn",
        MODEL,
        *before("class TinyNet(", "torch.backends.cudnn.benchmark = True\n\n"),
    ),
    "prints when building": Fault(
        "global-state", "prints 'building'", MODEL, *before(SUPER, "        print('building')\n")
    ),
    "manifest out of step": Fault(
        "manifest", "models.json", MODELS, '"tinynet": "tinynet_8"', '"tinynet": "tinynet_16"'
    ),
    "configs out of step": Fault("manifest", "configs.json", CONFIGS, '"crop_pct": 1.0', '"crop_pct": 0.9'),
    "facts out of step": Fault("manifest", "facts.json", FACTS, '"macs": 528000', '"macs": 529000'),
    "weights without licence": Fault("default-configs", "no license", CONFIGS, '"license": "cc-by-4.0", ', ""),
    "URL without hash": Fault("default-configs", "has no sha256", CONFIGS, '"sha256":', '"paper_name":'),
    "first conv that is not there": Fault(
        "default-configs", "'stem.9'", CONFIGS, '"first_conv": "stem.0"', '"first_conv": "stem.9"'
    ),
    "classifier that is none": Fault(
        "default-configs", "'stem.0'", CONFIGS, '"classifier": "fc"', '"classifier": "stem.0"'
    ),
    "labels that are too few": Fault("default-configs", "9 names for 10 classes", CONFIGS, '"0", "1", ', '"0", '),
    "mean in 0..255": Fault("default-configs", "mean", CONFIGS, '"mean": [0.5, 0.5, 0.5]', '"mean": [127, 127, 127]'),
    "no constructor": Fault(
        "constructors", "tinynet_8", INIT, "return FAMILY.constructor(name)", "raise AttributeError(name)"
    ),
    "constructor that nobody lists": Fault(
        "constructors", "dir(zoo_tinynet) does not list tinynet_8", INIT, ", *ARCHITECTURES]", "]"
    ),
    "constructor for any name": Fault(
        "constructors",
        "answers for names that are no architectures",
        INIT,
        "return FAMILY.constructor(name)",
        "return FAMILY.constructor(name if name in ARCHITECTURES else 'tinynet_8')",
    ),
    "constructor without options": Fault(
        "constructors",
        "does not take options",
        INIT,
        *after(
            '__version__ = "0.2.0"\n',
            "\n\ndef tinynet_8(pretrained=False):\n    return FAMILY.constructor('tinynet_8')()\n",
        ),
    ),
    "tensor outside the state": Fault(
        "meta-device", "scale is a tensor", MODEL, *before(READY, "        self.scale = torch.ones(1)\n")
    ),
    "options swallowed": Fault(
        "options", "swallowed", MODEL, *after("        drop_rate: float = 0.0,\n", "        **_: Any,\n")
    ),
    "configuration that can be changed": Fault(
        "configurations", "no frozen dataclass", CONFIG, "frozen=True, kw_only=True", "kw_only=True"
    ),
    "list in a configuration": Fault(
        "configurations",
        "depths of its configuration is a list",
        CONFIG,
        *after(
            "class TinyNetConfig:\n",
            "    def __post_init__(self):\n        object.__setattr__(self, 'depths', list(self.depths))\n\n",
        ),
    ),
    "two versions": Fault(
        "packaging", "__version__ is '0.3.0', and its metadata says 0.2.0", INIT, '"0.2.0"', '"0.3.0"'
    ),
    "import that is not required": Fault(
        "requirements", "imports hypothesis", MODEL, *before("from torch import", "import hypothesis\n")
    ),
    "impossible value accepted": Fault(
        "option-values",
        "global_pool='no-such-pool' is accepted",
        MODEL,
        "channels, num_classes, global_pool)",
        "channels, num_classes, 'avg')",
    ),
    "number of classes ignored": Fault(
        "num-classes", "(2, 10)", MODEL, "(channels, num_classes, global_pool)", "(channels, 10, global_pool)"
    ),
    "number of channels ignored": Fault(
        "in-chans", "channels", MODEL, "nn.Conv2d(in_chans, channels", "nn.Conv2d(3, channels"
    ),
    "random weights for pretrained ones": Fault(
        "pretrained-flag",
        "tinynet_16",
        INIT,
        "return FAMILY.constructor(name)",
        "make = FAMILY.constructor(name)\n    return lambda pretrained=False, **options: make(**options)",
    ),
    "method that is missing": Fault("contract", "group_matcher", MODEL, "def group_matcher", "def groups"),
    "attribute that is missing": Fault(
        "contract", "head_hidden_size", MODEL, *before(READY, "        del self.head_hidden_size\n")
    ),
    "head that ignores pre_logits": Fault(
        "forward", "pre_logits=True", MODEL, "return x if pre_logits else self.fc(x)", "return self.fc(x)"
    ),
    "a second forward": Fault(
        "forward",
        "differs from forward_head",
        MODEL,
        *before(
            "    def forward_head",
            SECOND_FORWARD,
        ),
    ),
    "images that see each other": Fault(
        "forward", "depend on the other images", MODEL, *after(HEAD, "        x = x - x.mean(0)\n")
    ),
    "classes not updated": Fault(
        "reset-classifier",
        "num_classes is",
        MODEL,
        *before(GROUPS, f"{RESET}        self.num_classes = known\n\n"),
    ),
    "classifier left on the CPU": Fault(
        "reset-classifier",
        "on the CPU",
        MODEL,
        *before(
            GROUPS,
            f"{RESET}        if num_classes:\n            self.fc = nn.Linear(self.num_features, num_classes)\n\n",
        ),
    ),
    "parameter that nothing uses": Fault(
        "training", "spare.weight", MODEL, *before(READY, "        self.spare = nn.Linear(2, 2)\n")
    ),
    "checkpointing that changes statistics": Fault(
        "checkpointing",
        "differs",
        MODEL,
        *before(
            "    def group_matcher",
            "    def set_grad_checkpointing(self, enable: bool = True) -> None:\n        self.eval()\n\n",
        ),
    ),
    "checkpointing that recomputes nothing": Fault(
        "checkpointing",
        "no module runs again",
        MODEL,
        *before(
            "    def group_matcher",
            "    def set_grad_checkpointing(self, enable: bool = True) -> None:\n        pass\n\n",
        ),
    ),
    "stages that are not dropped": Fault(
        "pruning",
        "pruned to map 0, it keeps",
        MODEL,
        *before("    def group_matcher", "    def prune_stages(self, last: int) -> None:\n        pass\n\n"),
    ),
    "pattern that matches nothing": Fault("parameter-groups", "'stem'", MODEL, 'r"^stem"', 'r"^conv_stem"'),
    "wrong channels": Fault(
        "feature-info",
        "feature_info says",
        MODEL,
        '{"num_chs": channels, "reduction": 2',
        '{"num_chs": 3, "reduction": 2',
    ),
    "wrong reduction": Fault("feature-info", "reduction 2", MODEL, "4 * 2**index", "2 * 2**index"),
    "maps that are too few": Fault(
        "feature-info", "3 maps", MODEL, "self.num_stages = len(self.feature_info)", "self.num_stages = 3"
    ),
    "map of another module": Fault("feature-maps", "'stem.0'", MODEL, '"module": "stem"', '"module": "stem.0"'),
    "prefix of maps that are no tokens": Fault(
        "layouts", "the prefix tokens of map 0", MODEL, *before(READY, "        self.num_prefix_tokens = 2\n")
    ),
    "square images alone": Fault(
        "image-sizes",
        "images of 256 x 512 fail",
        MODEL,
        *before("        x = self.stem(x)\n", "        assert x.shape[2] == x.shape[3]\n"),
    ),
    "walk that cannot be cut short": Fault("wrappers", "fails", MODEL, "if self.stages is not None:", "if True:"),
    "buffer that nobody fills": Fault(
        "constructors",
        "scale is not initialised",
        MODEL,
        *before(READY, "        self.register_buffer('scale', torch.empty(1))\n"),
    ),
    "buffer of another making that nobody fills": Fault(
        "initialisation",
        "scale is not initialised",
        MODEL,
        *before(READY, "        self.register_buffer('scale', self.fc.weight.new_empty(1))\n"),
    ),
    "constructor that forgets init_weights": Fault(
        "initialisation", "fc.weight starts otherwise", MODEL, READY, f"\n{OWN_START}"
    ),
    "chance in eval mode": Fault(
        "determinism", "the second time", MODEL, *after(HEAD, "        x = nn.functional.dropout(x, 0.5)\n")
    ),
    "weights that no seed reaches": Fault(
        "determinism",
        "same",
        MODEL,
        *before(
            "    def group_matcher",
            NO_SEED,
        ),
    ),
    "lambda in the network": Fault(
        "round-trip", "ickle", MODEL, *before(READY, "        self.scale = lambda x: 2 * x\n")
    ),
    "weights that grow with the classes": Fault(
        "adaptation", "norm2", MODEL, *before(READY, "        self.norm2 = nn.BatchNorm1d(num_classes + 1)\n")
    ),
    "wrong hash": Fault("shipped-weights", "SHA-256", CONFIGS, '"sha256": "9', '"sha256": "8'),
    "weights left out of the wheel": Fault("shipped-weights", "digits", WEIGHTS, "", DELETED),
    "branch on values": Fault("export", "export failed", MODEL, *BRANCH),
    "branch that compile cannot follow": Fault("compile", "compile failed", MODEL, *BRANCH),
    "branch that fx cannot follow": Fault("fx", "fx failed", MODEL, *BRANCH),
    "Python that TorchScript does not know": Fault(
        "script", "script failed", MODEL, "if 0 in taps:", "if 0 in {*taps}:"
    ),
    "a claim of no program": Fault(
        "trace",
        "'tracing'",
        MODEL,
        *before("    def __init__(\n        self,\n        cfg", "    programs = ('tracing',)\n\n"),
    ),
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's wheel, unpacked."""
    folder = tmp_path_factory.mktemp("example")
    unpack(build_wheel(ROOT / "examples" / "zoo-tinynet", folder / "wheels"), folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def fresh_process() -> Iterator[ProcessPoolExecutor]:
    """Processes for one task each, forked from one that has imported torch and the kit alone."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["zoo_kit.conformance.checks", "zoo_core.create", "zoo_core.layers", "zoo_core.building.build"]
    )
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        yield pool


@pytest.mark.heavy
@pytest.mark.parametrize("fault", FAULTS)
def test_the_kit_finds_and_names(
    fault: str, installed: Path, fresh_process: ProcessPoolExecutor, tmp_path: Path
) -> None:
    check, says, file, old, new = FAULTS[fault]
    site = tmp_path / "site"
    shutil.copytree(installed, site)
    if new == DELETED:
        (site / file).unlink()
    else:
        text = (site / file).read_text(encoding="utf-8")
        assert old in text, "the example has changed: correct the table"
        (site / file).write_text(text.replace(old, new), encoding="utf-8")
    outcome, report = fresh_process.submit(run_kit, str(site), "zoo-tinynet", check).result(timeout=120)[check]
    assert outcome == "failed", report
    assert says in report
    assert "\n  why: " in report
    assert "\n  remedy: " in report


def test_wrappers_claim_what_programs_claim(
    installed: Path, fresh_process: ProcessPoolExecutor, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    shutil.copytree(installed, site)
    text = (site / MODEL).read_text(encoding="utf-8").replace(*BY_SIZE)
    text = text.replace(
        "    def __init__(\n        self,\n        cfg",
        "    programs = ('script',)\n\n    def __init__(\n        self,\n        cfg",
    )
    (site / MODEL).write_text(text, encoding="utf-8")
    results = fresh_process.submit(run_kit, str(site), "zoo-tinynet", "wrappers").result(timeout=120)
    assert results["wrappers"][0] == "passed", results


def test_the_example_conforms(installed: Path, fresh_process: ProcessPoolExecutor) -> None:
    results = fresh_process.submit(run_kit, str(installed), "zoo-tinynet").result(timeout=300)
    assert [text for outcome, text in results.values() if outcome != "passed"] == []
    assert {fault.check for fault in FAULTS.values()} <= set(results)
