"""The worker: one isolated process a cell, forked from a server that has torch and PyG loaded already.

It ends when its parent does (it watches a pipe), keeps to its threads, and sends its outcome back in one message.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection

# Imported for the server's sake: whatever is loaded here is shared by every cell.
import scipy.sparse  # noqa: F401
import sklearn.linear_model  # noqa: F401
import torch
import torch_geometric.nn  # noqa: F401
from threadpoolctl import threadpool_limits

from magbench.errors import OutputError
from magbench.registry import Registry
from magbench.results.record import MagbenchPart
from magbench.run.cell import run_cell
from magbench.run.plan import Cell
from magbench.specs import load

for _family in Registry.default().families.values():
    for _target in (_family.task, _family.objective):
        if _target is not None:
            load(_target)


def work(cell: Cell, code: MagbenchPart, threads: int, lifeline: Connection, answer: Connection) -> None:
    """Run a cell as what its process is there for.

    Args:
        cell: what to run.
        code: magbench's own version and commit.
        threads: of torch, BLAS and OpenMP; more than one may change the last bits of what is computed.
        lifeline: reads end-of-file when the parent is gone.
        answer: receives ``("done", status)`` or ``("output", message)``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    torch.set_num_threads(threads)
    with threadpool_limits(threads):
        _silence(cell)
        try:
            answer.send(("done", run_cell(cell, code).status))
        except OutputError as error:
            answer.send(("output", str(error)))


def _end_with_parent(lifeline: Connection) -> None:
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


def _silence(cell: Cell) -> None:
    """A method's own prints go to :attr:`Cell.log`, not over the progress display."""
    try:
        cell.log.parent.mkdir(parents=True, exist_ok=True)
        target = os.open(cell.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    except OSError:
        target = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(target, stream.fileno())
    faulthandler.enable()  # a segmentation fault leaves its traceback there too
