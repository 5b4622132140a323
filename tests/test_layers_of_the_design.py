"""The arrows of imports in docs/architecture.md, read off the source and seen in processes."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "core/src/zoo_core"
PLUGINS = sorted(path for path in (ROOT / "plugins").glob("*/src/*") if path.is_dir())
FAMILIES = [path for path in PLUGINS if (path / "config.py").exists()]  # bridges have no tables in Python

# What a listing, a suggestion or the command line needs, and what a plugin's tables may use.
TORCH_FREE = [
    "names.py",
    "locks.py",
    "record.py",
    "errors.py",
    "config.py",
    "family.py",
    "registry.py",
    "discovery",
    "hooks",
]
TABLES = ["__init__.py", "config.py", "architectures.py", "pretrained.py"]

# Each room of core, and the rooms that it may import, in functions too. Low rooms first: a room
# imports from rooms above it in this table alone, so that there is no circle. Files beside rooms
# are rooms of their own.
MAY_IMPORT = {
    "record": "",
    "locks": "",
    "_version": "",
    "errors": "",
    "names": "errors record",
    "config_fields": "errors",
    "config": "config_fields errors",
    "discovery": "_version config config_fields errors names record",
    "registry": "config discovery errors locks names",
    "pyinstaller": "discovery",
    "hooks": "discovery errors locks registry",
    "layers": "errors",
    "features": "errors layers",
    "training": "errors features layers",
    "network": "config errors features layers",
    "weights/cache": "errors",
    "weights/files": "errors locks weights/cache",
    "weights/transfer": "_version errors weights/cache weights/files",
    "weights/lock": "discovery errors weights/cache weights/transfer",
    "weights/hub": "_version config errors names network registry weights/cache weights/files weights/lock"
    " weights/transfer",
    "weights/sources": "errors hooks weights/cache weights/hub weights/transfer",
    "weights/licence": "errors weights/cache",
    "weights/fetch": "errors hooks locks weights/cache weights/licence weights/lock weights/sources weights/transfer",
    "weights/loading": "config errors hooks network weights/cache weights/fetch weights/files weights/sources"
    " weights/transfer",
    "weights/unpickle": "errors weights/files weights/loading",
    "building": "config errors features locks names network registry weights/files weights/hub weights/loading",
    "family": "building config discovery errors names",
    "compat": "errors",
    "description": "building config discovery errors names registry weights/licence",
    "create": "building config errors hooks names registry weights/hub",
    "cli": "building config config_fields create description discovery errors hooks names registry weights/cache"
    " weights/fetch weights/hub weights/loading weights/lock weights/transfer",
}
# Arrows that still have to go, by file. One that is gone must be taken out of the list.
KNOWN_ARROWS = {
    ("weights/hub/repository.py", "weights/loading"),  # it saves whole models: a room above `loading` would fit
}
# Folders whose `__init__` does not list its modules yet.
UNLISTED: set[str] = set()


def imports_of(path, *, at_import_time=False):
    """Top-level packages that a file imports; `at_import_time` leaves out functions and
    TYPE_CHECKING blocks."""
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
        "import zoo_core; assert zoo_core.describe('resnet50').channels",
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


def room_of(parts):
    """The room of a module, of its path in zoo_core: a folder, in `weights` a folder or file of
    it."""
    return "/".join(parts[: 2 if parts[:1] == ("weights",) else 1])


def arrows_of(file):
    """The rooms that a file of core imports from, TYPE_CHECKING blocks aside."""

    def visit(node):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            package, *parts = name.split(".")
            if package == "zoo_core":
                while parts and not (
                    CORE.joinpath(*parts).is_dir() or CORE.joinpath(*parts).with_suffix(".py").is_file()
                ):
                    parts.pop()
                yield room_of(tuple(parts))
        for child in ast.iter_child_nodes(node):
            yield from visit(child)

    own = room_of(file.relative_to(CORE).with_suffix("").parts)
    return set(visit(ast.parse(file.read_text(encoding="utf-8")))) - {own}


def test_rooms_import_what_the_table_allows():
    found = set()
    for file in files(CORE):
        room = room_of(file.relative_to(CORE).with_suffix("").parts)
        allowed = MAY_IMPORT.get(room, "").split()
        name = file.relative_to(CORE).as_posix()
        found |= {(name, other) for other in arrows_of(file) if other not in allowed}
    assert sorted(found - KNOWN_ARROWS) == []
    assert sorted(KNOWN_ARROWS - found) == [], "these arrows are gone: take them out of the list"


def test_the_table_has_no_circle_and_no_arrow_up():
    below = set()
    for room, allowed in MAY_IMPORT.items():
        assert set(allowed.split()) <= below, room
        below.add(room)


def test_every_room_is_in_the_table():
    rooms = {room_of(path.relative_to(CORE).with_suffix("").parts) for path in files(CORE)}
    assert rooms - {"__init__", "weights/__init__"} <= set(MAY_IMPORT)


def folders():
    return sorted({path.parent for path in files(CORE)})


@pytest.mark.parametrize("folder", folders(), ids=lambda path: path.relative_to(CORE).as_posix())
def test_the_docstring_of_a_folder_lists_its_modules(folder):
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    listed = set(re.findall(r"(?<!`)`([\w-]+)`(?!`)", docstring))
    modules = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    if folder.relative_to(CORE).as_posix() in UNLISTED:
        assert listed != modules - {"__init__", "__main__"}, "take it out of UNLISTED"
    else:
        assert listed == modules - {"__init__", "__main__"}


@pytest.mark.parametrize(
    ("code", "most"),
    [
        ("import zoo_core; assert zoo_core.list_models()", 16),  # one of them for bridges
        ("import zoo_core; zoo_core.create_model('resnet18')", 45),
    ],
)
def test_few_modules_of_core_are_imported(code, most):
    program = f"{code}\nimport sys; print(*sorted(name for name in sys.modules if name.startswith('zoo_core')))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = run.stdout.split()
    assert len(loaded) <= most, loaded


def test_creating_a_model_imports_nothing_heavy_of_a_tool():
    """Hook plugins are imported with the first model; what their commands need is not."""
    program = "import zoo_core, sys; zoo_core.create_model('resnet18'); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name for name in run.stdout.split() if name.startswith(("zoo_kit", "zoo_images", "zoo_inference", "PIL"))}
    tools = ("zoo_kit", "zoo_images", "zoo_inference")
    assert loaded <= {*tools, *(f"{tool}.hooks" for tool in tools)}
