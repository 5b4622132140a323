"""Ctrl-C at random moments: a quiet end with exit code 130, and nothing half done."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from commands import server, take_on
from PIL import Image
from safetensors.torch import load, save
from stress.tally import Tally
from weight_server import Server
from zoo_core.cli.interrupts import repeated_interrupts
from zoo_core.weights.cache.entry import Entry, Receipt
from zoo_core.weights.cache.inventory import damage, inventory

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 60.0
"""After which a process that was interrupted hangs."""
MODEL = "test_resnet.digits"


class Act:
    """Something to interrupt."""

    def __init__(self, folder: Path) -> None:
        """Work in `folder`, which is there and empty."""
        self.folder = folder
        self.environment = {**os.environ, "HOME": str(folder), "ZOO_CACHE": str(folder / "cache"),
                            "HF_HOME": str(folder / "hf"), "OMP_NUM_THREADS": "1"}  # fmt: skip

    what: str
    """Its name in the table."""
    argv: list[str]
    """Of the command."""
    enter: Callable[[list[str]], int] | None = None
    """What runs instead of the command."""

    def half_done(self) -> str:
        """What is neither as before nor complete; empty for nothing."""
        return ""

    def undone(self) -> str:
        """What is missing after it was done again; empty for nothing."""
        raise NotImplementedError


class Download(Act):
    """Of a repository, by HTTPS."""

    what = "a download by the Hub's client"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.content, self.server = save({"weight": torch.rand(3_000_000)}), Server()
        config = json.dumps({"architecture": "net"}).encode()
        self.server.add_repository("org/net", {"config.json": config, "model.safetensors": self.content})
        self.environment["HF_ENDPOINT"] = self.server.url
        self.argv = ["download", "hf-hub:org/net", "--json"]

    def half_done(self) -> str:
        found = [*(self.folder / "cache").rglob("model.safetensors"), *(self.folder / "hf").rglob("model.safetensors")]
        return "" if all(path.read_bytes() == self.content for path in found) else "a part of a file is in its place"

    def undone(self) -> str:
        self.server.close()
        # The Hub's client leaves files of its own in its own cache.
        left = [path.name for path in (self.folder / "cache").rglob("*") if path.suffix in (".part", ".tmp")]
        found = [*(self.folder / "cache").rglob("model.safetensors"), *(self.folder / "hf").rglob("model.safetensors")]
        return self.half_done() or ("" if found and not left else f"{len(found)} files, and {left}")


def _by_https(argv: list[str]) -> int:
    from zoo_core.cli.main import main

    sys.modules["huggingface_hub"] = None  # type: ignore[assignment] # as if it were not installed
    return main(argv)


class DownloadByHttps(Download):
    what = "a download by HTTPS"
    enter = staticmethod(_by_https)


def _load(argv: list[str]) -> int:
    def act() -> None:
        import zoo_core as zoo
        from zoo_core.weights.files.read import read_file

        zoo.refresh()
        net = zoo.create_model(MODEL, pretrained=True).eval()
        with torch.inference_mode():
            assert net(torch.zeros(1, 3, 32, 32)).isfinite().all()
        values: Any = read_file(Path(argv[0]), mapped=True)
        assert torch.equal(values["weight"], torch.arange(1_500_000.0))

    try:
        with repeated_interrupts():  # as the command has it: Python drops what a finalizer raises
            act()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        act()
        return 130
    return 0


class Load(Act):
    """Create a model, and map a file by its aligned copy; after Ctrl-C again, in the same
    process."""

    what = "a load"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        content = save({"weight": torch.arange(1_500_000.0)})
        length = int.from_bytes(content[:8], "little")
        header = content[8 : 8 + length].rstrip() + b" " * (9 - len(content[8 : 8 + length].rstrip()) % 8)
        (folder / "net.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])
        self.argv = [str(folder / "net.safetensors")]

    enter = staticmethod(_load)

    def half_done(self) -> str:
        copies = [item for item in inventory(self.folder / "cache") if item.is_complete and damage(item)]
        return f"{copies[0].path}: {damage(copies[0])}" if copies else ""

    def undone(self) -> str:
        copies = [*(self.folder / "cache").rglob("net.safetensors")]
        expected = torch.arange(1_500_000.0)
        if len(copies) != 1 or not torch.equal(load(copies[0].read_bytes())["weight"], expected):
            return f"{len(copies)} copies, or a wrong one"
        return self.half_done()


class Extract(Act):
    """Turn a folder of images into features."""

    what = "an extraction"
    workers = 0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "photos").mkdir()
        draw = random.Random(0)
        for number in range(24):
            pixels = Image.frombytes("RGB", (8, 6), draw.randbytes(8 * 6 * 3)).resize((60, 50))
            pixels.save(folder / "photos" / f"{number}.jpg")
        self.argv = ["extract", str(folder / "photos"), "--model", MODEL, "--output", str(folder / "out"), "--json",
                     "--batch-size", "4", "--shard-size", "8", "--workers", str(self.workers)]  # fmt: skip

    def half_done(self) -> str:
        from zoo_images.extraction.shards import read_features

        if not list(self.folder.glob("out/features/*.parquet")):
            return ""
        return "" if all(len(rows.names) == 8 for rows in read_features(self.folder / "out")) else "a shard is partial"

    def undone(self) -> str:
        from zoo_images.extraction.shards import read_features

        rows = [rows.names for rows in read_features(self.folder / "out")]
        left = [*(self.folder / "out").rglob("*.unfinished")]
        return "" if len(rows) == 3 and not left else f"{len(rows)} shards, and {left}"


class ExtractByWorkers(Extract):
    what = "an extraction by workers"
    workers = 2


class Prune(Act):
    """Remove what is in a cache."""

    what = "a removal from the cache"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for number in range(150):
            entry = Entry(folder / "cache", f"host/{number}.safetensors")
            entry.path.parent.mkdir(parents=True, exist_ok=True)
            entry.path.write_bytes(bytes(100 + number))
            entry.write_receipt(Receipt(url=f"https://host/{number}.safetensors").of(entry.path, "0" * 64))
            entry.part_path.write_bytes(b"part")
        self.argv = ["cache", "remove", "--all", "--json"]

    def half_done(self) -> str:
        bad = [item.path.name for item in inventory(self.folder / "cache") if item.is_complete and not item.receipt]
        return f"nothing is known of {bad[0]}" if bad else ""

    def undone(self) -> str:
        left = [path.name for path in (self.folder / "cache").rglob("*") if path.is_file()]
        return f"there are still {left}" if left else ""


class Lock(Act):
    """Write a lock over an older one."""

    what = "a lock"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.old = '{"version": 1, "weights": []}\n'
        (folder / "zoo.lock").write_text(self.old)
        self.argv = ["lock", MODEL, "test_densenet.digits", "--output", str(folder / "zoo.lock")]

    def half_done(self) -> str:
        text = (self.folder / "zoo.lock").read_text()
        return "" if text == self.old or len(json.loads(text)["weights"]) == 2 else f"the lock is {text!r}"

    def undone(self) -> str:
        left = [path.name for path in self.folder.glob("*.tmp")]
        whole = len(json.loads((self.folder / "zoo.lock").read_text())["weights"]) == 2
        return "" if whole and not left else f"the lock is not whole, and there are {left}"


ACTS = [Download, DownloadByHttps, Load, Extract, ExtractByWorkers, Prune, Lock]


def _child(
    begun: Any, argv: list[str], enter: Callable[[list[str]], int] | None, cwd: Path, environment: dict[str, str],
    outputs: list[Path],
) -> None:  # fmt: skip
    """Be the command, in a process group of its own, as a terminal starts one."""
    os.setsid()
    take_on(cwd, environment, outputs)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # until there is something to interrupt
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from zoo_core.cli.main import main

    begun.send_bytes(b"begun")
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    except KeyboardInterrupt:  # before the command began
        code = 130
    else:
        code = (enter or main)(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # from here on Python ends, which is not ours
    sys.exit(code)


def perform(act: Act, moment_s: float | None) -> tuple[int | None, str]:
    """Start it, interrupt it at that moment; return the exit code, None if it hangs, and stderr."""
    outputs = [act.folder / "stdout", act.folder / "stderr"]
    for path in outputs:
        path.write_bytes(b"")
    here, there = server().Pipe(duplex=False)
    arguments = (there, act.argv, act.enter, act.folder, act.environment, outputs)
    process = server().Process(target=_child, args=arguments)
    process.start()
    there.close()
    here.recv_bytes()
    if moment_s is not None:
        process.join(moment_s)
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            if process.exitcode is None:
                os.killpg(process.pid or 0, signal.SIGINT)  # as a terminal does
    process.join(PATIENCE_S)
    code = process.exitcode
    if code is None:
        os.killpg(process.pid or 0, signal.SIGKILL)
        process.join()
    return code, outputs[1].read_text()


def run(count: int, folder: Path, seed: int = 0) -> list[Tally]:
    """Interrupt each kind of act, `count` times in all, and then do it again to its end."""
    draw = random.Random(seed)
    tallies = [
        Tally(f"Ctrl-C ends quietly, and leaves nothing half done: {kind.what}", "interruptions") for kind in ACTS
    ]
    longest: dict[type[Act], float] = {}
    for number in range(count):
        kind, tally = ACTS[number % len(ACTS)], tallies[number % len(ACTS)]
        if kind not in longest:
            whole = _fresh(kind, folder)
            began = time.monotonic()
            code, err = perform(whole, None)
            longest[kind] = time.monotonic() - began
            assert (code, err, whole.undone()) == (0, "", ""), (kind, code, err)
        act = _fresh(kind, folder)
        moment = draw.uniform(0.001, longest[kind])
        code, err = perform(act, moment)
        endings = {None: "hung", 130: "130", 0: "was done before"}
        ending = endings.get(code, f"exit {code}")
        problem = act.half_done()
        if code not in (0, 130) or err:
            problem = f"it ends with {code}, and says {err[-1500:]!r}"
        longest[kind] *= 0.97 if code == 0 else 1.0
        if not problem:
            code, err = perform(act, None)
            problem = f"again, it ends with {code}, and says {err[-1500:]!r}" if code or err else act.undone()
        tally.add(ending, f"after {moment:.4f} s: {problem}" if problem else "")
    return tallies


def _fresh(kind: type[Act], folder: Path) -> Act:
    here = folder / "act"
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir()
    return kind(here)
