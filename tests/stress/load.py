"""Rounds of create, load, extract, delete: memory and file handles stay as they are."""

from __future__ import annotations

import faulthandler
import gc
import multiprocessing
import os
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import zoo_core as zoo
from stress.tally import Tally

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

MODELS = ["test_resnet.digits", "test_densenet.digits", "test_xception.digits"]
GROWTH = 30_000_000
"""Bytes that memory may grow by, after the first tenth of the rounds: allocators keep some."""


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def one_round(number: int) -> None:
    name = MODELS[number % len(MODELS)]
    options = [{}, {"features_only": True}, {"num_classes": 0}, {"in_chans": 1}][number // len(MODELS) % 4]
    net = zoo.create_model(name, pretrained=True, **options).eval()
    with torch.inference_mode():
        net(torch.zeros(1, options.get("in_chans", 3), 32, 32))


def rounds(count: int) -> Tally:
    tally = Tally("Create, load, extract, delete: memory and file handles flat", "rounds")
    warm = max(24, count // 10)
    for number in range(warm):
        one_round(number)
    memory, files = resident(), handles()
    for number in range(count):
        one_round(number)
        tally.add("done")
    if (grown := resident() - memory) > GROWTH:
        tally.failures.append(f"memory grew by {grown:,} bytes in {count:,} rounds")
    if handles() > files:
        tally.failures.append(f"file handles grew from {files} to {handles()}")
    return tally


def threads(count: int, each: int) -> Tally:
    """`count` threads create, while another one refreshes what is installed."""
    tally = Tally("Threads create while another one refreshes", "models")
    lock, ended = threading.Lock(), threading.Event()
    expected = zoo.create_model(MODELS[0], pretrained=True).state_dict()

    def create(number: int) -> None:
        for turn in range(each):
            try:
                net = zoo.create_model(MODELS[(number + turn) % len(MODELS)], pretrained=True)
                wrong = (number + turn) % len(MODELS) == 0 and any(
                    not torch.equal(value, expected[key]) for key, value in net.state_dict().items()
                )
                outcome, failure = ("wrong", "values differ") if wrong else ("made", "")
            except Exception as error:
                outcome, failure = "raised", f"{type(error).__name__}: {error}"
            with lock:
                tally.add(outcome, failure)

    def refresh() -> None:
        while not ended.wait(0.02):
            zoo.refresh()

    refresher = threading.Thread(target=refresh)
    workers = [threading.Thread(target=create, args=(number,)) for number in range(count)]
    refresher.start()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    ended.set()
    refresher.join()
    return tally


PATIENCE_S = 120.0
"""After which a worker hangs."""


def workers(count: int) -> Tally:
    """Forked and spawned processes create, while threads of this one create and refresh."""
    tally = Tally("Forked and spawned workers create, whatever this process does meanwhile", "workers")
    expected = _sum_of(zoo.create_model(MODELS[0], pretrained=True))
    ended = threading.Event()

    def disturb() -> None:
        while not ended.is_set():
            zoo.refresh()
            zoo.create_model(MODELS[1], pretrained=True)

    threads = [threading.Thread(target=disturb, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(count):
            how = "spawn" if number % 8 == 7 else "fork"  # a spawned one imports torch, which takes seconds
            context = multiprocessing.get_context(how)
            here, there = context.Pipe(duplex=False)
            worker = context.Process(target=_work, args=(there,))
            with warnings.catch_warnings():  # Python warns of forks beside threads, which users do all the same
                warnings.simplefilter("ignore", DeprecationWarning)
                worker.start()
            there.close()
            worker.join(PATIENCE_S)
            if worker.exitcode is None:
                worker.kill()
                tally.add(f"{how}: hung", "no end")
            elif worker.exitcode:
                tally.add(f"{how}: failed", f"exit code {worker.exitcode}")
            else:
                right = here.recv() == expected
                tally.add(f"{how}: made", "" if right else "values differ")
    finally:
        ended.set()
    for thread in threads:
        thread.join()
    return tally


def _work(there: Connection) -> None:
    faulthandler.dump_traceback_later(PATIENCE_S - 5)  # shows where a worker hangs
    zoo.refresh()
    there.send(_sum_of(zoo.create_model(MODELS[0], pretrained=True)))
    faulthandler.cancel_dump_traceback_later()


def _sum_of(net: torch.nn.Module) -> float:
    return sum(float(value.double().sum()) for value in net.state_dict().values())


def run(count: int) -> list[Tally]:
    torch.set_num_threads(1)
    return [rounds(count), threads(32, max(1, count // 320)), workers(max(8, count // 50))]
