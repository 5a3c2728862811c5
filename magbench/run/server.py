"""The fork server: a process that has torch and PyG loaded, from which every cell's process is forked.

Loading takes it seconds, and as long the caller, who loads them to plan. Nothing heavy is imported here, so that it can
be started first and both load at once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def start_server() -> Any:
    """The context whose processes are forked from the server; started at the first call."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "magbench.run.worker"])
    with _one_thread(), _no_interrupt():
        from multiprocessing import forkserver

        forkserver.ensure_running()
    return context


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """What is started inside never sees Ctrl-C; this process decides what it means, and its children end with it."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def _one_thread() -> Iterator[None]:
    saved = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in saved.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
