"""Servers that misbehave, beside huggingface_hub and torch.hub on the same server."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import types
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import torch
from safetensors.torch import save
from stress.tally import Tally
from weight_server import Resource, Server
from zoo_core.config import PretrainedCfg
from zoo_core.errors import WeightsError
from zoo_core.weights.fetch import fetch_weights
from zoo_core.weights.hub import client
from zoo_core.weights.transfer import http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 8.0
"""After which a transfer hangs. All time-outs that can be set are set to a second or less."""
OUTCOMES = ("correct", "clear error", "silently wrong", "hang", "other error")
"""From the best to the worst."""


def good(draw: random.Random) -> bytes:
    return save({"weight": torch.full((60_000,), draw.random())})


def flipped(content: bytes, draw: random.Random) -> bytes:
    """One bit of the numbers changed: a file of the same size and structure."""
    at = draw.randrange(1000, len(content))
    return content[:at] + bytes([content[at] ^ 1 << draw.randrange(8)]) + content[at + 1 :]


def cut(content: bytes, draw: random.Random) -> int:
    return draw.randrange(1, len(content) - 1)


PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"
Faults = dict[str, "Callable[[bytes, random.Random, Server], Resource]"]
FAULTS: Faults = {
    "none": lambda c, d, s: Resource(c, etag='"1"'),
    "cut once": lambda c, d, s: Resource(c, etag='"1"', cuts=[cut(c, d)]),
    "cut once, no ranges": lambda c, d, s: Resource(c, etag='"1"', cuts=[cut(c, d)], ranges=False),
    "cut always": lambda c, d, s: Resource(c, etag='"1"', cuts=[0] * 99),
    "cut, and no length": lambda c, d, s: Resource(c[: cut(c, d)], says_length=False),
    "no length": lambda c, d, s: Resource(c, says_length=False),
    "a bit changed": lambda c, d, s: Resource(flipped(c, d), etag='"1"'),
    "longer": lambda c, d, s: Resource(c + bytes(d.randrange(1, 5000))),
    "another file after the cut": lambda c, d, s: _Changing(c, d),
    "empty": lambda c, d, s: Resource(b""),
    "a page": lambda c, d, s: Resource(PAGE, content_type="text/html"),
    "busy once": lambda c, d, s: Resource(c, failures=[(d.choice([429, 500, 502, 503, 504]), {})]),
    "busy always": lambda c, d, s: Resource(c, failures=[(503, {})] * 99),
    "come back in a year": lambda c, d, s: Resource(c, failures=[(429, {"Retry-After": "31536000"})] * 99),
    "a date that is none": lambda c, d, s: Resource(c, failures=[(503, {"Retry-After": "soon"})]),
    "refused": lambda c, d, s: Resource(c, failures=[(d.choice([401, 403, 404, 410, 418]), {})] * 99),
    "redirects in a circle": lambda c, d, s: Resource(b"", redirect="{self}"),
    "redirects to nobody": lambda c, d, s: Resource(b"", redirect="http://127.0.0.1:9/net"),
    "redirects to a file": lambda c, d, s: Resource(b"", redirect="file:///etc/passwd"),
    "redirects to nonsense": lambda c, d, s: Resource(b"", redirect="http://[::1"),
    "a byte now and then": lambda c, d, s: Resource(c, drip_s=0.2),
    "headers now and then": lambda c, d, s: Resource(c, drip_s=0.2, drips_headers=True),
    "half, then silence": lambda c, d, s: Resource(c, gate=threading.Event()),
    "says that it is gzip": lambda c, d, s: Resource(c, headers={"Content-Encoding": "gzip"}),
    "headers that are none": lambda c, d, s: Resource(c, headers={"Content-Range": "bytes x-y/z", "ETag": "\x7f"}),
}


class _Changing(Resource):
    """A file that is another one after its first answer, which is cut; If-Range is not minded."""

    def __init__(self, content: bytes, draw: random.Random) -> None:
        super().__init__(content, etag='"1"', cuts=[cut(content, draw)], minds_if_range=False)
        self._next = flipped(content, draw), '"2"'

    def changed(self) -> None:
        """Serve the other file from now on."""
        self.content, self.etag = self._next


def by_torch(server: Server, path: str, folder: Path) -> Path:
    """torch.hub, which compares the hash in a file's name if it is asked to."""
    target = folder / Path(path).name
    torch.hub.download_url_to_file(server.url + path, str(target), path.partition("-")[2][:8] or None, progress=False)
    return target


def by_client(server: Server, path: str, folder: Path) -> Path:
    """huggingface_hub."""
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download("org/net", "model.safetensors", cache_dir=folder, endpoint=server.url))


def by_zoo(server: Server, path: str, folder: Path) -> Path:
    return fetch_weights(PretrainedCfg(url=server.url + path), cache_dir=folder, progress=False)


def by_zoo_from_the_hub(server: Server, path: str, folder: Path) -> Path:
    return fetch_weights(PretrainedCfg(hf_hub_id="org/net"), cache_dir=folder, progress=False)


TOOLS: dict[str, tuple[str, Callable[[Server, str, Path], Path]]] = {
    "Zoo, hash in the name": ("named", by_zoo),
    "torch.hub, hash in the name": ("named", by_torch),
    "Zoo, no hash": ("plain", by_zoo),
    "torch.hub, no hash": ("plain", by_torch),
    "Zoo, the Hub by HTTPS": ("hub", by_zoo_from_the_hub),
    "Zoo, the Hub by its client": ("hub", by_zoo_from_the_hub),
    "huggingface_hub": ("hub", by_client),
}
VOUCHED = [tool for tool, (kind, _) in TOOLS.items() if "Zoo" in tool and kind != "plain"]


def run(count: int, seed: int = 0) -> tuple[list[Tally], dict[str, dict[str, Counter[str]]]]:
    """Make `count` transfers; return Zoo's tallies, and fault to tool to outcomes."""
    draw = random.Random(seed)
    table: dict[str, dict[str, Counter[str]]] = {fault: {tool: Counter() for tool in TOOLS} for fault in FAULTS}
    tallies = {tool: Tally(f"A server's fault ends well: {tool}", "transfers") for tool in TOOLS if "Zoo" in tool}
    cells = [(fault, tool) for fault in FAULTS for tool in TOOLS]
    start = draw.randrange(len(cells))  # a few transfers are others each time
    with _impatient():
        for number in range(start, start + count):
            fault, tool = cells[number % len(cells)]
            outcome, detail = transfer(fault, tool, draw)
            table[fault][tool][outcome] += 1
            if tool in tallies:
                vouched = TOOLS[tool][0] != "plain"
                worst = 1 if vouched or fault != "a bit changed" else 2
                bad = OUTCOMES.index(outcome) > worst
                tallies[tool].add(outcome, f"{fault}: {detail}" if bad else "")
        caught = Tally("One changed bit is caught, wherever there is a hash", "transfers")
        for number in range(count * 12 // 35):  # of 875, a hundred by each
            tool = VOUCHED[number % len(VOUCHED)]
            outcome, detail = transfer("a bit changed", tool, draw)
            caught.add(f"{outcome}: {tool}", detail if outcome != "clear error" else "")
    return [*tallies.values(), caught], table


def transfer(fault: str, tool: str, draw: random.Random) -> tuple[str, str]:
    """Make one transfer, twice where the first is cut, as a user would; return its outcome."""
    server, content, folder = Server(), good(draw), Path(tempfile.mkdtemp())
    kind, fetch = TOOLS[tool]
    path = {"named": f"/net-{hashlib.sha256(content).hexdigest()[:8]}.safetensors", "plain": "/net.safetensors",
            "hub": f"/cdn/{hashlib.sha256(content).hexdigest()}"}[kind]  # fmt: skip
    resource = FAULTS[fault](content, draw, server)
    resource.redirect = resource.redirect and resource.redirect.replace("{self}", server.url + path)
    if kind == "hub":
        server.add_repository("org/net", {"model.safetensors": content})
    server.resources[path] = resource
    result: list[tuple[str, str]] = []
    right = [content, resource._next[0]] if isinstance(resource, _Changing) and kind == "plain" else [content]

    def act() -> None:
        for last in (False, True) if resource.cuts else (True,):
            try:
                got = fetch(server, path, folder).read_bytes()
                result.append(("correct", "") if got in right else ("silently wrong", f"{len(got)} bytes"))
                return
            except WeightsError as error:
                found = ("clear error", str(error)) if "hook plugin" not in str(error) else ("other error", str(error))
            except Exception as error:  # a peer's own; an error is an error
                found = ("other error" if "Zoo" in tool else "clear error", f"{type(error).__name__}: {error}")
            if last:
                result.append(found)
            elif isinstance(resource, _Changing):
                resource.changed()

    environment = {"HF_ENDPOINT": server.url, "HF_HOME": str(folder / "hf")}
    client = {"huggingface_hub": None} if tool == "Zoo, the Hub by HTTPS" else {}
    try:
        with mock.patch.dict(os.environ, environment), mock.patch.dict(sys.modules, client):
            thread = within(act)
            return result[0] if result else ("hang", f"no end after {PATIENCE_S:.0f} s")
    finally:
        server.close()
        thread.join(5)
        shutil.rmtree(folder, ignore_errors=True)


def within(act: Callable[[], None]) -> threading.Thread:
    """Wait `PATIENCE_S` for a call; return its thread, which lives on if that was too short."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    return thread


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """Scale every time-out and wait that can be, of Zoo and of the peers."""
    import huggingface_hub.constants as constants
    import huggingface_hub.file_download as files
    import huggingface_hub.utils._http as peer

    quick = types.SimpleNamespace(**{**vars(time), "sleep": lambda seconds: time.sleep(min(seconds, 0.02))})
    logging.getLogger("zoo_core").setLevel(logging.CRITICAL)
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    with contextlib.ExitStack() as stack:
        for module, name, value in (
            (http, "FIRST_BACKOFF_S", 0.001), (http, "LEAST_PROGRESS", (60_000, 0.6)), (http, "ANSWER_S", 0.8),
            (http, "TIMEOUT_S", (1.0, 0.6)), (http, "ATTEMPTS", 3), (constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.5),
            (constants, "HF_HUB_ETAG_TIMEOUT", 0.5), (peer, "time", quick),
            (files, "time", quick), (client, "LONGEST_SILENCE_S", 1.0),
        ):  # fmt: skip
            stack.enter_context(mock.patch.object(module, name, value))
        yield


def matrix(table: dict[str, dict[str, Counter[str]]]) -> list[str]:
    """The worst outcome of each cell, as a table in Markdown."""
    lines = [f"| fault | {' | '.join(TOOLS)} |", f"|{'---|' * (len(TOOLS) + 1)}"]
    for fault, row in table.items():
        cells = [max(outcomes, key=OUTCOMES.index, default="") for outcomes in row.values()]
        lines.append(f"| {fault} | {' | '.join(cells)} |")
    return lines
