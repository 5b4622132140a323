"""Locks that a forked process finds free."""

from __future__ import annotations

import os
from _thread import RLock  # importing `threading` takes a quarter of Python's own start


def fork_safe_lock() -> RLock:
    """Return a reentrant lock that is never held by another thread while this process forks.

    A child has none of its parent's other threads: what they hold there stays locked for good.
    Forking waits until the lock is free. Who holds it must not wait for another such lock that was
    made earlier, as they are taken in the reverse order.
    """
    lock = RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock
