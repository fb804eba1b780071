"""How a worker's process begins: it ends with the one that began it, from its first moment on.

What it works with takes seconds to import, and is imported when that is seen to.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from multiprocessing.connection import Connection, wait

__all__ = ["begin"]


def begin(pipe: Connection, task: bytes) -> None:
    """Run a function, pickled with its further arguments, for as long as the parent lives."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends this one
    work, arguments = pickle.loads(task)
    work(pipe, *arguments)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os._exit(1)
