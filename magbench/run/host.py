"""Isolated cells for a cluster's worker: a plain Python process beside it that owns a fork server.

Dask starts its workers as daemonic processes, and :mod:`multiprocessing` lets those have no children; a process that
:mod:`subprocess` starts is under no such rule. One host serves one thread of a worker, keeps its server warm from cell
to cell, and ends with the worker: its connection reads end-of-file.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import subprocess
import sys
import threading
from multiprocessing.connection import Connection

from magbench.errors import MagbenchError
from magbench.results.record import MagbenchPart
from magbench.run.plan import Cell
from magbench.run.scheduler import run_local
from magbench.run.slots import Slots

Job = tuple[Cell, MagbenchPart, float | None, int]
"""A cell, magbench's own part of the record, the seconds it may take, and its threads."""


class Host:
    """The worker's end: starts the process and hands it one cell at a time."""

    def __init__(self) -> None:
        self.connection, theirs = multiprocessing.Pipe()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "magbench.run.host", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def run(self, job: Job) -> None:
        """Run one cell; returns when it is published.

        Raises:
            MagbenchError: the cell cannot be read or written, or the host has died.
        """
        try:
            self.connection.send(job)
            problem = self.connection.recv()
        except (EOFError, OSError):
            problem = f"{job[0]}: the process that runs the cells of this cluster worker has died."
        if problem is not None:
            raise MagbenchError(problem)


_of_thread = threading.local()


def run_isolated(cell: Cell, code: MagbenchPart, timeout: float | None, threads: int) -> None:
    """One cell in a process of its own: what a cluster's worker calls."""
    host: Host | None = getattr(_of_thread, "host", None)
    if host is None or host.process.poll() is not None:
        host = _of_thread.host = Host()
    host.run((cell, code, timeout, threads))


def serve(connection: Connection) -> None:
    """The host's end: run cells until the worker is gone."""
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, jobs), daemon=True).start()
    while True:
        cell, code, timeout, threads = jobs.get()
        slots = Slots(1, threads)
        try:
            run_local([cell], code, slots=slots, timeout=timeout, progress=lambda event, cell, record: None)
        except MagbenchError as error:
            connection.send(str(error))
        else:
            connection.send(None)


def _receive(connection: Connection, jobs: queue.SimpleQueue[Job]) -> None:
    """Pass jobs on; when the worker is gone, end at once, and the running cell with it."""
    try:
        while True:
            jobs.put(connection.recv())
    except (EOFError, OSError):
        os._exit(1)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
