"""The arrows of imports in docs/architecture.md, read off the source and seen in processes."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "core/src/zoo_core"
PLUGINS = sorted(path for path in (ROOT / "plugins").glob("*/src/*") if path.is_dir())
FAMILIES = [path for path in PLUGINS if (path / "models.json").exists()]

# What a listing, a suggestion or the command line needs, and what a plugin's tables may use.
TORCH_FREE = ["names.py", "record.py", "errors.py", "config.py", "family.py", "registry.py", "discovery", "hooks"]
TABLES = ["__init__.py", "config.py", "architectures.py", "pretrained.py"]


def imports_of(path, *, at_import_time=False):
    """Top-level packages that a file imports; `at_import_time` leaves out functions and TYPE_CHECKING blocks."""
    found = set()

    def visit(node):
        if at_import_time and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return
        if at_import_time and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def files(path):
    return [path] if path.suffix == ".py" else sorted(path.rglob("*.py"))


def test_core_imports_no_plugin():
    plugins = {path.name for path in PLUGINS}
    assert plugins
    for file in files(CORE):
        assert not imports_of(file) & plugins, file


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_imports_no_other(plugin):
    others = {path.name for path in PLUGINS} - {plugin.name}
    for file in files(plugin):
        assert not imports_of(file) & others, file


@pytest.mark.parametrize("name", TORCH_FREE)
def test_nothing_above_the_builder_imports_torch(name):
    for file in files(CORE / name):
        assert "torch" not in imports_of(file, at_import_time=True), file


@pytest.mark.parametrize("plugin", FAMILIES, ids=lambda path: path.name)
@pytest.mark.parametrize("table", TABLES)
def test_a_plugins_tables_import_no_torch(plugin, table):
    assert "torch" not in imports_of(plugin / table, at_import_time=True)


@pytest.mark.parametrize(
    "code",
    [
        "import zoo_core",
        "import zoo_core; assert zoo_core.list_models()",
        "import zoo_core; assert zoo_core.list_pretrained()",
        "import zoo_core; assert zoo_core.is_model('resnet50')",
        "import zoo_core; assert zoo_core.get_pretrained_cfg('resnet50').url",
        "from zoo_core.cli.main import main; main(['list', '--json'])",
        "from zoo_core.cli.main import main; main(['info', 'resnet50', '--json'])",
    ],
)
def test_asking_about_models_loads_neither_torch_nor_a_plugin(code):
    check = "import sys; loaded = {name.partition('.')[0] for name in sys.modules}; print(*loaded)"
    run = subprocess.run([sys.executable, "-c", f"{code}\n{check}"], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.splitlines()[-1].split())
    assert "zoo_core" in loaded
    assert not loaded & {"torch", "numpy", *(path.name for path in PLUGINS)}


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_importing_a_plugin_loads_no_torch(plugin):
    code = f"import sys, {plugin.name}; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
