"""What holds for every subcommand: help, mistakes, exit codes, and what is not imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from site import getsitepackages

import pytest
import zoo_core
from zoo_core.cli.main import COMMANDS, build_parser
from zoo_core.cli.parser import parse_size


def mistake(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a mistake must be answered with."""
    assert result.returncode == 2, result
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("zoo: error: ")
    return lines[0].removeprefix("zoo: error: ")


def test_help_lists_every_command_with_examples(zoo) -> None:
    result = zoo("--help")
    assert result.returncode == 0
    listed = result.stdout.partition("COMMAND\n")[2].partition("examples:")[0].splitlines()
    assert [line.split()[0] for line in listed if line[:5].strip()][: len(COMMANDS)] == list(COMMANDS)
    assert "zoo info resnet50" in result.stdout


def test_without_a_command_the_help_is_printed(zoo) -> None:
    assert zoo().stdout == zoo("--help").stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        build_parser().parse_args([command, "--help"])
    assert exit_.value.code == 0
    assert f"zoo {command}" in capsys.readouterr().out.partition("examples:")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_wraps_on_a_narrow_terminal(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    with pytest.raises(SystemExit):
        build_parser().parse_args([command, "--help"])
    text = capsys.readouterr().out.partition("\n\n")[2].partition("examples:")[0]
    # An option with its values is one word, and stands alone on its line.
    assert [line for line in text.splitlines() if len(line) > 40 and "{" not in line] == []


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["list"], ["info", "tinynet"], ["plugins"]])
def test_what_needs_no_torch_loads_neither_torch_nor_a_plugin(environment: dict[str, str], argv: list[str]) -> None:
    program = (
        "import sys\n"
        "from zoo_core.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "loaded = {'torch', 'PIL', 'zoo_tiny', 'requests'} & set(sys.modules)\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, *argv], env=environment, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_the_version_is_the_packages(zoo) -> None:
    assert zoo("--version").stdout == f"zoo-core {zoo_core.__version__}\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["lst"], "unknown command 'lst'. Did you mean 'list'?"),
        (["--jsn"], "zoo has no option '--jsn'; see zoo --help"),
        (["info", "tinynet", "--bild"], "zoo info has no option '--bild'. Did you mean '--build'?"),
        (["info", "tinynet", "--bui"], "zoo info has no option '--bui'. Did you mean '--build'?"),
        (["info", "tinynet", "other"], "zoo info takes no further argument 'other'; see zoo info --help"),
        (["info"], "the following arguments are required: NAME"),
        (
            ["info", "tinynet", "--input-size", "12x"],
            "argument --input-size: '12x' is no size: expected pixels such as 320, or 320x480 (height x width)",
        ),
        (["classify", "tinynet", "x.png", "--top", "0"], "argument --top: '0' is no whole number from 1 up"),
    ],
)
def test_a_mistake_is_one_line_that_says_the_remedy(zoo, argv: list[str], message: str) -> None:
    assert mistake(zoo(*argv)) == message


def test_an_unknown_model_is_one_line_with_the_nearest_name(zoo) -> None:
    assert "'tinynet'" in mistake(zoo("info", "tinynett"))


def test_a_closed_pipe_ends_quietly(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "zoo_core.cli", "--help"]
    command[-1:] = ["info", "tinynet"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait() == 0
    process.stderr.close()


def test_a_size_is_height_then_width() -> None:
    assert parse_size("320x480") == (320, 480)
    assert parse_size("96") == (96, 96)


@pytest.fixture
def added(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """An environment in which a hook plugin adds one command that works and several that do not."""
    (tmp_path / "zoo_more.py").write_text(
        "from zoo_core.hooks import hookimpl\n"
        "@hookimpl\n"
        "def zoo_add_commands():\n"
        "    return {'hello': 'zoo_hello', 'info': 'zoo_hello', 'gone': 'zoo_gone', 'odd': 'json'}\n"
    )
    (tmp_path / "zoo_hello.py").write_text(
        "def add_parser(subparsers):\n"
        "    subparsers.add_parser('hello', help='greet').add_argument('whom')\n"
        "def run(args):\n"
        "    print('hello', args.whom)\n"
        "    return 3\n"
    )
    info = tmp_path / "zoo_more-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-more\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[zoo_core.hooks]\nmore = zoo_more\n")
    return {**environment, "PYTHONPATH": f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"}


def command(environment: dict[str, str], *argv: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "zoo_core.cli", *argv]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


def test_a_hook_plugin_adds_a_command(added: dict[str, str]) -> None:
    result = command(added, "hello", "world")
    assert (result.stdout, result.returncode) == ("hello world\n", 3)
    assert "    hello " in command(added, "--help").stdout


def test_an_added_command_that_does_not_work_is_left_out(added: dict[str, str]) -> None:
    warnings = command(added, "--help").stderr.splitlines()
    assert [line.split(" is left out: ") for line in warnings] == [
        ["zoo: warning: the command 'info' of zoo_hello", "the name is taken"],
        ["zoo: warning: the command 'gone' of zoo_gone", "ModuleNotFoundError: No module named 'zoo_gone'"],
        ["zoo: warning: the command 'odd' of json", "AttributeError: module 'json' has no attribute 'add_parser'"],
    ]


def test_cores_own_commands_ask_no_hook_plugin(added: dict[str, str]) -> None:
    assert command(added, "info", "tinynet").stderr == ""


HOOK = "from zoo_core.hooks import hookimpl\n@hookimpl\ndef zoo_add_commands():\n    "


def install_hook(environment: dict[str, str], folder: Path, source: str, name: str = "zoo_odd") -> dict[str, str]:
    """An environment in which a hook plugin of this source is installed, too."""
    (folder / f"{name}.py").write_text(source)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[zoo_core.hooks]\n{name} = {name}\n")
    return {**environment, "PYTHONPATH": f"{folder}{os.pathsep}{environment['PYTHONPATH']}"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 3", "hook plugin zoo-odd:zoo_odd adds no commands: 3 is no mapping of names to modules"),
        ("return 'ab'", "hook plugin zoo-odd:zoo_odd adds no commands: 'ab' is no mapping of names to modules"),
        ("return [('a', 'b')]", "hook plugin zoo-odd:zoo_odd adds no commands: [('a', 'b')] is no mapping"),
        ("return {'x': 3}", "hook plugin zoo-odd:zoo_odd names no module for 'x', but 3"),
        ("return {'x': ''}", "hook plugin zoo-odd:zoo_odd names no module for 'x', but ''"),
        ("return {3: 'json'}", "hook plugin zoo-odd:zoo_odd adds a command that cannot be named 3"),
        ("return {'a b': 'json'}", "hook plugin zoo-odd:zoo_odd adds a command that cannot be named 'a b'"),
        ("return {'--json': 'json'}", "hook plugin zoo-odd:zoo_odd adds a command that cannot be named '--json'"),
        ("return {'\\x1b[2J': 'json'}", r"hook plugin zoo-odd:zoo_odd adds a command that cannot be named '\x1b[2J'"),
        ("1 / 0", "hook plugin zoo-odd:zoo_odd failed in zoo_add_commands: ZeroDivisionError: division by zero"),
        ("raise SystemExit(0)", "hook plugin zoo-odd:zoo_odd failed in zoo_add_commands: it called exit(0)"),
        ("return {'x': 'zoo_exits'}", "the command 'x' of zoo_exits is left out: SystemExit: 0"),
        (
            "return {'x': 'zoo_half'}",
            "the command 'x' of zoo_half is left out: RuntimeError: half done",
        ),
        ("return {'x': 'zoo_other'}", "the command 'x' of zoo_other is left out: TypeError: its add_parser adds ['y']"),
        ("return {'x': 'zoo_percent'}", "the command 'x' of zoo_percent is left out: ValueError: "),
        ("return {'x': '..'}", "the command 'x' of .. is left out: "),
    ],
)
def test_a_hook_plugin_that_adds_nonsense_spoils_nothing(
    added: dict[str, str], tmp_path: Path, body: str, said: str
) -> None:
    (tmp_path / "zoo_exits.py").write_text("raise SystemExit(0)")
    (tmp_path / "zoo_half.py").write_text(
        "def add_parser(subparsers):\n    subparsers.add_parser('x')\n    raise RuntimeError('half done')"
    )
    (tmp_path / "zoo_other.py").write_text("def add_parser(subparsers):\n    subparsers.add_parser('y')\nrun = print")
    (tmp_path / "zoo_percent.py").write_text(
        "def add_parser(subparsers):\n    subparsers.add_parser('x', help='50%')\nrun = print"
    )
    odd = install_hook(added, tmp_path, HOOK + body)
    result = command(odd, "hello", "world")
    assert (result.stdout, result.returncode) == ("hello world\n", 3)
    assert said in result.stderr
    assert all(line.startswith(("zoo: warning: ", "zoo: error: ")) for line in result.stderr.splitlines())


@pytest.mark.parametrize("argv", [["--help"], ["inof"]])
def test_nonsense_changes_neither_the_help_nor_the_answer_to_a_mistyped_command(
    added: dict[str, str], tmp_path: Path, argv: list[str]
) -> None:
    alone, odd = command(added, *argv), command(install_hook(added, tmp_path, HOOK + "return 3"), *argv)
    assert (odd.stdout, odd.returncode) == (alone.stdout, alone.returncode)
    assert odd.stderr.splitlines()[-1] == alone.stderr.splitlines()[-1]


def test_prints_of_hook_plugins_stay_off_standard_output(added: dict[str, str], tmp_path: Path) -> None:
    odd = install_hook(added, tmp_path, "print('at import')\n" + HOOK + "print('in the hook'); return {}")
    result = command(odd, "hello", "world")
    assert (result.stdout, result.returncode) == ("hello world\n", 3)
    assert {"at import", "in the hook"} <= set(result.stderr.splitlines())


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("pass", 0, ""),
        ("raise SystemExit(5)", 5, ""),
        ("raise SystemExit('no\\x1b[2J luck')", 1, "zoo: error: no\\x1b[2J luck\n"),
        ("[][1]", 2, "zoo: error: the command 'odd' of zoo_oddly failed: IndexError: list index out of range\n"),
        ("open('/nosuch/file')", 2, "zoo: error: '/nosuch/file': No such file or directory\n"),
        ("b'\\xff'.decode()", 2, "zoo: error: 'utf-8' codec can't decode byte 0xff in position 0"),
        ("raise KeyboardInterrupt", 130, ""),
        ("raise BrokenPipeError", 0, ""),
    ],
)
def test_an_added_command_ends_as_cores_own_do(
    environment: dict[str, str], tmp_path: Path, body: str, code: int, said: str
) -> None:
    (tmp_path / "zoo_oddly.py").write_text(
        f"def add_parser(subparsers):\n    subparsers.add_parser('odd')\ndef run(args):\n    {body}\n"
    )
    result = command(install_hook(environment, tmp_path, HOOK + "return {'odd': 'zoo_oddly'}"), "odd")
    assert result.returncode == code
    assert result.stderr.startswith(said) if said else not result.stderr
    assert len(result.stderr.splitlines()) == bool(said)


@pytest.mark.parametrize(
    ("held", "code", "said"),
    [
        # What a shell starts in the background, tests as well, ignores Ctrl-C.
        ("    def __del__(self):\n"
         "        signal.signal(signal.SIGINT, signal.default_int_handler)\n"
         "        os.kill(os.getpid(), signal.SIGINT)\n", 130, ""),
        ("    def __init__(self):\n        raise KeyboardInterrupt\n        self.held = 1\n"
         "    def __del__(self):\n        self.held\n", 130, ""),
        ("    def __del__(self):\n        [][1]\n", 0, "IndexError"),
    ],
    ids=["a finalizer drops it", "a constructor is interrupted", "another error of a finalizer"],
)  # fmt: skip
def test_an_interrupt_counts_and_is_quiet_where_objects_end(
    environment: dict[str, str], tmp_path: Path, held: str, code: int, said: str
) -> None:
    (tmp_path / "zoo_oddly.py").write_text(
        f"import os, signal, time\nclass Held:\n{held}"
        "def add_parser(subparsers):\n    subparsers.add_parser('odd')\n"
        "def run(args):\n    Held()\n    time.sleep(5)\n"
    )
    result = command(install_hook(environment, tmp_path, HOOK + "return {'odd': 'zoo_oddly'}"), "odd")
    assert (result.stdout, result.returncode) == ("", code)
    assert said in result.stderr if said else not result.stderr


def test_json_of_an_added_command_is_alone_on_standard_output(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "zoo_oddly.py").write_text(
        "from zoo_core.cli.output import print_json\n"
        "from zoo_core.cli.parser import add_json_option\n"
        "def add_parser(subparsers):\n    add_json_option(subparsers.add_parser('odd'))\n"
        "def run(args):\n    print('from a library')\n    print_json([1])\n"
    )
    odd = install_hook(environment, tmp_path, HOOK + "return {'odd': 'zoo_oddly'}")
    result = command(odd, "odd", "--json")
    assert (json.loads(result.stdout), result.stderr, result.returncode) == ([1], "from a library\n", 0)


def test_development_mode_shows_where_a_command_failed(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "zoo_oddly.py").write_text("def add_parser(s):\n    s.add_parser('odd')\ndef run(args):\n    [][1]\n")
    odd = install_hook(environment, tmp_path, HOOK + "return {'odd': 'zoo_oddly'}")
    assert 'zoo_oddly.py", line 4' in command({**odd, "PYTHONDEVMODE": "1"}, "odd").stderr


@pytest.mark.parametrize("argv", [["info", "deepnet", "--input-size", "2"], ["info", "deepnet", "--build", "--json"]])
def test_an_image_size_that_the_network_cannot_take_is_one_line(
    environment: dict[str, str], tmp_path: Path, argv: list[str]
) -> None:
    (tmp_path / "zoo_deep.py").write_text(
        "from torch import nn\n"
        "class Deep(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, 4, 300)\n"
        "        self.feature_info = [dict(num_chs=4, reduction=1, module='conv')]\n"
        "    def forward(self, x):\n"
        "        return self.conv(x)\n"
        "def deepnet(pretrained=False, **options):\n"
        "    from zoo_core import build_model_with_cfg\n"
        "    return build_model_with_cfg(Deep, 'deepnet', pretrained, **options)\n"
    )
    info = tmp_path / "zoo_deep-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-deep\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[zoo_core.models]\ndeepnet = zoo_deep:deepnet\n")
    path = f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"
    assert mistake(command({**environment, "PYTHONPATH": path}, *argv)).startswith(
        "'deepnet' cannot take images of 3 x "
    )


@pytest.fixture
def without_tools(tmp_path: Path) -> dict[str, str]:
    """An environment with everything that this one has but the packages of Zoo, of which it has
    core."""
    site = tmp_path / "without_tools"
    site.mkdir()
    core = [Path(zoo_core.__file__).parent, Path(distribution("zoo-core")._path)]  # type: ignore[attr-defined] # a folder
    theirs = [entry for folder in getsitepackages() for entry in Path(folder).iterdir()]
    for entry in [*core, *(entry for entry in theirs if "zoo" not in entry.name.lower())]:
        if not (site / entry.name).exists() and entry.suffix != ".pth":
            (site / entry.name).symlink_to(entry)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ZOO_"))}
    return {**kept, "PYTHONPATH": str(site)}


def bare(environment: dict[str, str], *argv: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-S", "-m", "zoo_core.cli", *argv]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


def test_a_command_of_a_package_that_is_not_installed_says_which(without_tools: dict[str, str]) -> None:
    assert bare(without_tools, "plugins", "--json").stdout == "[]\n"
    for name in ("check", "new", "manifest"):
        problem = mistake(bare(without_tools, name, "zoo-x", "--json"))
        assert problem == f"the command {name!r} is in zoo-kit: pip install zoo-kit"
    assert mistake(bare(without_tools, "features")).endswith("is in zoo-images: pip install zoo-images")
    lines = bare(without_tools, "--help").stdout.splitlines()
    assert "not here: new, manifest, check, in zoo-kit: pip install zoo-kit" in lines
    assert "not here: features, classify, extract, verify, search, in zoo-images: pip install zoo-images" in lines


@pytest.mark.parametrize(("variable", "value"), [("ZOO_PLUGINS", "zoo-images"), ("ZOO_DISABLE_PLUGINS", "zoo-kit")])
def test_a_command_of_a_package_that_a_setting_keeps_out(variable: str, value: str) -> None:
    environment = {**os.environ, variable: value}
    assert mistake(command(environment, "check", "zoo-x")) == (
        f"the command 'check' is in zoo-kit, which {variable} keeps out"
    )
    text = command(environment, "--help").stdout
    assert f"not here: new, manifest, check, in zoo-kit, which {variable} keeps out" in text
    assert "in zoo-images" not in text
