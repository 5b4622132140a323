"""Disks that are full or cannot be written, clocks that are wrong, and proxies of every kind."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch
from safetensors.torch import save
from stress.tally import Tally
from stress.transfers import FAULTS, _impatient, within
from weight_server import Resource, Server
from zoo_core.config import PretrainedCfg
from zoo_core.errors import ZooError
from zoo_core.weights.cache.entry import store
from zoo_core.weights.fetch import fetch_weights
from zoo_core.weights.files.read import read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZES = [1 << 14, 1 << 16, 1 << 18, 1 << 20, 3 << 20, 5 << 20]
NO_PERMISSION = "this user may mount no disk"


@contextlib.contextmanager
def mounted(folder: Path, size: int) -> Iterator[Path]:
    """Mount a disk of so many bytes in memory.

    Raises:
        PermissionError: where that is not permitted.
    """
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        raise PermissionError(NO_PERMISSION)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remounted(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def can_mount(folder: Path) -> bool:
    try:
        with mounted(folder / "disk", 1 << 16):
            return True
    except (PermissionError, FileNotFoundError):
        return False


def misaligned(count: int) -> bytes:
    """A safetensors file whose copy is made before it is mapped."""
    content = save({"weight": torch.arange(float(count))})
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length].rstrip()
    header += b" " * (9 - len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


class Acts:
    """What needs a disk: each makes something in `cache`, and says whether it is right."""

    def __init__(self, folder: Path, draw: random.Random) -> None:
        self.folder, self.cache, self.draw = folder, folder / "disk" / "cache", draw
        self.server = Server()
        self.content = save({"weight": torch.full((draw.randrange(1000, 500_000),), draw.random())})
        self.server.add(f"/net-{hashlib.sha256(self.content).hexdigest()[:8]}.safetensors", self.content)
        (self.url,) = (self.server.url + path for path in self.server.resources)
        (folder / "mine.safetensors").write_bytes(misaligned(1_100_000))
        (folder / "photos").mkdir(exist_ok=True)
        if not list((folder / "photos").iterdir()):
            from PIL import Image

            for number in range(8):
                Image.new("RGB", (40, 40), (number * 9, 0, 0)).save(folder / "photos" / f"{number}.png")

    def fetch(self) -> bool:
        got = fetch_weights(PretrainedCfg(url=self.url), cache_dir=self.cache, progress=False)
        return got.read_bytes() == self.content

    def load(self) -> bool:
        """Which needs no room: a copy is made only where there is some."""
        values: Any = read_file(self.folder / "mine.safetensors", mapped=True, cache_dir=self.cache)
        return torch.equal(values["weight"], torch.arange(1_100_000.0))

    def keep(self) -> bool:
        """A small file, such as a repository's config."""
        content = self.content[:90_000]
        kept = store(content, self.cache, "host/config.json", url="https://host/config.json")
        return kept.path.read_bytes() == content

    def extract(self) -> bool:
        from zoo_images.extraction.extract import extract

        out = self.folder / "disk" / "out"
        summary = extract(self.folder / "photos", "test_resnet.digits", out, workers=0, batch_size=4, shard_size=4)
        return bool(summary.images == 8 and summary.failed == 0)

    def lock(self) -> bool:
        from zoo_core.weights.lock import Locked, read_lock, write_lock

        rows = [Locked(name=f"net{n}", source=f"https://host/{n}", sha256="0" * 64, size=n) for n in range(900)]
        write_lock(self.folder / "disk" / "zoo.lock", rows)
        return len(read_lock(self.folder / "disk" / "zoo.lock")) == 900

    @property
    def all(self) -> dict[str, Callable[[], bool]]:
        names = ("fetch", "load", "keep", "extract", "lock")
        return {name: getattr(self, name) for name in names}


def attempt(tally: Tally, what: str, act: Callable[[], bool], *, must: bool = False) -> None:
    """Do it: right, or one of our errors in a line; where it `must` succeed, right."""
    try:
        right = act()
    except ZooError as error:
        text = str(error)
        bad = must or "\n" in text or "hook plugin" in text
        tally.add("refused", f"{what}: {text:.400}" if bad else "")
    except BaseException as error:
        tally.add("raised", f"{what}: {type(error).__name__}: {error}")
    else:
        tally.add("done" if right else "wrong", "" if right else f"{what}: it is not what it should be")


def disks(count: int, folder: Path, draw: random.Random) -> list[Tally]:
    """Disks of random sizes that fill up, and then have room, or can only be read."""
    full = Tally("A full disk is one clear error, and once there is room all is right", "acts")
    fixed = Tally("A disk that can only be read serves what it has", "acts")
    while full.tried + fixed.tried < count:
        shutil.rmtree(folder / "work", ignore_errors=True)
        (folder / "work").mkdir()
        with mounted(folder / "work" / "disk", draw.choice(SIZES)) as disk:
            acts = Acts(folder / "work", draw)
            size = os.statvfs(disk).f_blocks * os.statvfs(disk).f_frsize
            if draw.random() < 0.5:
                with contextlib.suppress(OSError):
                    (disk / "other").write_bytes(bytes(draw.randrange(size)))
            order = draw.sample([*acts.all], 5)
            for name in order:
                attempt(full, f"{name} on a disk of {size:,}", acts.all[name], must=name == "load")
            left = (*disk.rglob("*.tmp"), *disk.rglob("*.unfinished"))
            full.failures += [f"{order} leave {path.name}" for path in left]
            remounted(disk, f"size={64 << 20}")
            for name in draw.sample(order, draw.randrange(6)):
                attempt(full, f"{name} with room, after {order}", acts.all[name], must=True)
                made = name
                remounted(disk, "ro")
                must = name in ("fetch", "load")
                attempt(fixed, f"{name} again, from a disk that can only be read", acts.all[name], must=must)
                other = draw.choice([each for each in acts.all if each != made])
                attempt(fixed, f"{other} on a disk that can only be read", acts.all[other], must=other == "load")
                remounted(disk, "rw")
            acts.server.close()
    return [full, fixed]


TIMES_S = [0, 1, -1, 10**9, 2**31 - 1, 2**31, 4 * 10**9, 2**33]
"""Of the years 1970 to 2242."""


def clocks(count: int, folder: Path, draw: random.Random) -> list[Tally]:
    """Files of any time: what is as it was is used, and what was changed is not."""
    tally = Tally("Files of the past and the future: the same is used, another is not", "acts")
    while tally.tried < count:
        shutil.rmtree(folder / "work", ignore_errors=True)
        (folder / "work" / "disk").mkdir(parents=True)
        acts = Acts(folder / "work", draw)
        acts.fetch(), acts.load()
        path, asked = fetch_weights(PretrainedCfg(url=acts.url), cache_dir=acts.cache), len(acts.server.log)
        everything = list(acts.cache.rglob("*"))
        for each in draw.sample(everything, draw.randrange(1, len(everything) + 1)):
            when = draw.choice(TIMES_S) + draw.random()
            os.utime(each, (when, when))
        attempt(tally, "a file of another time", acts.fetch, must=True)
        if len(acts.server.log) != asked:
            tally.failures.append("a file whose time changed is fetched again")
        attempt(tally, "a copy of another time", acts.load, must=True)
        changed = bytearray(acts.content)
        changed[-1 - draw.randrange(1000)] ^= 1
        path.write_bytes(changed)
        when = draw.choice(TIMES_S) + draw.random()
        os.utime(path, (when, when))
        attempt(tally, "another file, of any time", acts.fetch, must=True)
        values = torch.arange(1_100_000.0)
        mine = acts.folder / "mine.safetensors"
        status = mine.stat()
        content = bytearray(misaligned(1_100_000))
        content[-4:] = save({"x": torch.tensor([7.0])})[-4:]
        values[-1] = 7.0
        mine.write_bytes(content)
        times = draw.choice([(status.st_atime_ns, status.st_mtime_ns), (0, 0), (2**62, 2**62)])
        os.utime(mine, ns=times)  # as tools do that restore it

        def again(values: torch.Tensor = values, acts: Acts = acts) -> bool:
            loaded: Any = read_file(acts.folder / "mine.safetensors", mapped=True, cache_dir=acts.cache)
            return torch.equal(loaded["weight"], values)

        attempt(tally, "a file of the user's that was rewritten", again, must=True)
        acts.server.close()
    return [tally]


ADDRESSES = {
    "none": [""],
    "dead": ["http://127.0.0.1:9"],
    "nonsense": ["::", "http://[", "a b", "%", "http://127.0.0.1:x"],
    "another protocol": ["socks5://127.0.0.1:9", "ftp://127.0.0.1:9"],
}
PROXIES = [*ADDRESSES, "itself", "itself", "itself", "wants a name"]


def proxies(count: int, folder: Path, draw: random.Random) -> list[Tally]:
    """Transfers through proxies that work, fail as servers do, or are none."""
    tally = Tally("A proxy's fault ends well", "transfers")
    with _impatient():
        for _ in range(count):
            proxy, fault = draw.choice(PROXIES), draw.choice([*FAULTS])
            server, content = Server(), save({"weight": torch.full((60_000,), draw.random())})
            path = f"/net-{hashlib.sha256(content).hexdigest()[:8]}.safetensors"
            kind = draw.choice(["direct", "http", "https"])
            host = {"direct": server.url, "http": "http://weights.invalid", "https": "https://weights.invalid"}[kind]
            resource = FAULTS[fault](content, draw, server) if proxy == "itself" else Resource(content)
            resource.redirect = resource.redirect and resource.redirect.replace("{self}", host + path)
            if proxy == "wants a name":
                resource.failures = [(407, {"Proxy-Authenticate": "Basic"})] * 99
            server.resources[path] = resource
            address = draw.choice(ADDRESSES.get(proxy, [server.url]))
            names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
            lower = draw.random() < 0.5
            environment = {name.lower() if lower else name: address for name in names if address}
            environment |= {name: "" for name in (*names, *(each.lower() for each in names)) if name not in environment}
            skips = draw.random() < 0.5
            environment["no_proxy" if lower else "NO_PROXY"] = "127.0.0.1,localhost" if skips else ""
            cache = folder / "cache"
            shutil.rmtree(cache, ignore_errors=True)
            fails = proxy == "wants a name" or (proxy == "itself" and fault != "none")
            expected = kind == "direct" and (skips or proxy == "none") and not fails

            def act(url: str = host + path, cache: Path = cache, content: bytes = content) -> bool:
                return fetch_weights(PretrainedCfg(url=url), cache_dir=cache, progress=False).read_bytes() == content

            what = f"{kind} by a proxy: {proxy}, {fault}{', which is not asked' if skips else ''}"
            with mock.patch.dict(os.environ, environment):
                thread = within(lambda: attempt(tally, what, act, must=expected))  # noqa: B023 - it ends here
                if thread.is_alive():
                    tally.add("hang", what)
            server.close()
            thread.join(5)
    return [tally]


def run(kind: str, count: int, folder: Path, seed: int = 0) -> list[Tally]:
    """Make `count` trials of one of the three."""
    torch.set_num_threads(1)
    logging.getLogger("zoo_core").setLevel(logging.CRITICAL)
    return {"disks": disks, "clocks": clocks, "proxies": proxies}[kind](count, folder, random.Random(seed))
