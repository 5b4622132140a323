"""Ctrl-C and finalizers, whose exceptions Python prints and drops."""

from __future__ import annotations

import contextlib
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from typing import Any

_SOON_S = 0.01
"""Until the finalizer has returned, and the main thread is where an exception counts."""


@contextlib.contextmanager
def repeated_interrupts() -> Iterator[None]:
    """Interrupt again, quietly, when a KeyboardInterrupt was dropped.

    A signal handler runs between any two instructions of the main thread, also in a ``__del__`` or
    in a callback of the garbage collector. What it raises there reaches `sys.unraisablehook` and
    nobody else, so that the command would go on to its end. And it interrupts constructors, such as
    that of a DataLoader's iterator, whose ``__del__`` then fails on an object that is half made.
    """
    before, timers = sys.unraisablehook, []

    def interrupt_again(dropped: Any) -> None:
        if isinstance(dropped.exc_value, KeyboardInterrupt):
            timers.append(_interrupt_soon())
        else:
            before(dropped)

    sys.unraisablehook = interrupt_again
    try:
        yield
    except KeyboardInterrupt as interrupt:
        from traceback import clear_frames

        sys.unraisablehook = lambda _: None
        clear_frames(interrupt.__traceback__)  # which frees what was half made
        raise
    finally:
        sys.unraisablehook = before
        for timer in timers:
            timer.cancel()


def _interrupt_soon() -> threading.Timer:
    import _thread
    import signal
    import threading

    if sys.platform == "win32":
        timer = threading.Timer(_SOON_S, _thread.interrupt_main)
    else:  # a signal ends a blocking call as well
        timer = threading.Timer(_SOON_S, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
    timer.start()
    return timer
