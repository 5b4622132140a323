"""``zoo download``: several models at once."""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from weight_server import Server
from zoo_core.cli.commands import zoo_cache as cache_command
from zoo_core.cli.commands import zoo_download as download_command


def zoo(*argv: str) -> int:
    """Run one of the two commands."""
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers(dest="command")
    commands = {"cache": cache_command, "download": download_command}
    for command in commands.values():
        command.add_parser(subparsers)
    args = parser.parse_args(argv)
    return commands[args.command].run(args)


@pytest.fixture
def repositories(server: Server, weights: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    for name in ("one", "two"):
        config = json.dumps({"architecture": name}).encode()
        server.add_repository(f"org/{name}", {"config.json": config, "model.safetensors": weights + name.encode()})


@pytest.mark.usefixtures("repositories")
def test_several_models_are_downloaded_at_once(weights: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    assert zoo("download", "hf-hub:org/one", "hf-hub:org/two", "--json") == 0
    paths = json.loads(capsys.readouterr().out)
    assert Path(paths["hf-hub:org/two"]).read_bytes() == weights + b"two"
    assert set(paths) == {"hf-hub:org/one", "hf-hub:org/two"}


@pytest.mark.usefixtures("repositories")
def test_one_that_fails_does_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert zoo("download", "hf-hub:org/one", "hf-hub:org/none") == 2
    captured = capsys.readouterr()
    assert captured.out.startswith("hf-hub:org/one  /")
    assert captured.err.startswith("zoo: error: hf-hub:org/none: ")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("jobs", ["0", "-1", "many", "1e3"])
def test_a_count_of_jobs_that_is_none_is_refused(jobs: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        zoo("download", "hf-hub:org/one", "--jobs", jobs)
    assert f"'{jobs}' is no whole number from 1 up" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_an_interrupted_download_ends_at_once(server: Server, large: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    gate = threading.Event()
    config = json.dumps({"architecture": "one"}).encode()
    server.add_repository("org/one", {"config.json": config, "model.safetensors": large}, gate=gate)
    program = (
        # What a shell starts in the background, tests as well, ignores Ctrl-C.
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.modules['huggingface_hub'] = None\n"
        "from zoo_core.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, "download", "hf-hub:org/one"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            while process.poll() is None and not any(line.path.startswith("/cdn/") for line in server.log):
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)  # the server would hold the rest back for good
        finally:
            process.kill()
            gate.set()
    assert (process.returncode, out, err) == (130, "", "")
