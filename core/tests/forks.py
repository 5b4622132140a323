"""A program that forks children while its threads are busy, and fails if a child hangs or fails."""

_PROGRAM = """
import os, threading, time, warnings
{prepare}
ended = threading.Event()
def work():
    while not ended.is_set():
        {work}
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
warnings.simplefilter("ignore")  # Python warns of a fork beside threads
children, failed = [], 0
for _ in range({count}):
    if not (child := os.fork()):
        os._exit(0 if {succeeds} else 1)
    children.append(child)
    time.sleep(0.005)
ended.set()
for thread in threads: thread.join()
end = time.monotonic() + 30
while children and time.monotonic() < end:
    for child in list(children):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            children.remove(child)
            failed += status != 0
    time.sleep(0.01)
for child in children: os.kill(child, 9)
assert not children, f"{{len(children)}} of {count} children wait for a thread that they do not have"
assert not failed, f"{{failed}} of {count} children failed"
"""


def forks_beside_threads(*, prepare: str, work: str, succeeds: str, count: int) -> str:
    """Return the program's source.

    Args:
        prepare: lines that run first.
        work: the statement that two threads repeat.
        succeeds: an expression that each child evaluates, true if all is well.
        count: of children.
    """
    return _PROGRAM.format(prepare=prepare, work=work, succeeds=succeeds, count=count)
