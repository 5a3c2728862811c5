"""The scheduler: cells in isolated processes of this machine, so many at a time.

A crash, an out-of-memory kill or a time-out of one cell becomes a record, and the others go on.
"""

from __future__ import annotations

import pickle
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from magbench.errors import MagbenchError, OutputError
from magbench.results.record import MagbenchPart, Record, Status
from magbench.run.cell import now, publish_failure
from magbench.run.plan import Cell
from magbench.run.server import start_server
from magbench.run.slots import Slot, Slots, start_cell

Progress = Callable[[str, Cell, Record | None], None]
"""Called with ``"start"`` or ``"end"``, the cell, and at the end its record; None: it left none."""


@dataclass
class Running:
    """A cell in a process of its own."""

    cell: Cell
    process: ForkServerProcess
    answer: Connection
    lifeline: Connection
    slot: Slot
    deadline: float
    started: float = field(default_factory=time.monotonic)
    began: str = field(default_factory=now)


def run_local(
    cells: Sequence[Cell],
    code: MagbenchPart,
    *,
    slots: Slots,
    timeout: float | None,
    progress: Progress,
    budget: float | None = None,
) -> list[Cell]:
    """Run ``cells``, as many at a time as there are slots, each in its own process.

    Args:
        cells: what to run, in this order.
        code: magbench's own version and commit, for the records.
        slots: processes at a time, and what each is given.
        timeout: seconds a cell may take; ``None`` for no limit.
        progress: called when a cell starts and ends.
        budget: core-seconds after which no cell is started; those that run are not stopped.

    Returns:
        The cells that the budget left out, in their order.

    Raises:
        OutputError: a result cannot be written; the cells in flight are stopped.
        KeyboardInterrupt: the cells in flight are stopped first.
    """
    context = start_server()
    waiting = list(reversed(cells))
    running: list[Running] = []
    spent = 0.0
    try:
        while True:
            while waiting and len(running) < slots.jobs and (budget is None or spent + _elapsed(running) < budget):
                slot = slots.next([job.slot for job in running])
                running.append(_launch(context, waiting.pop(), code, slot, timeout))
                progress("start", running[-1].cell, None)
            if not running:
                return waiting[::-1]
            for job in _ended(running):
                running.remove(job)
                spent += _elapsed([job])
                progress("end", job.cell, _finish(job, code))
    finally:
        for job in running:
            _kill(job)


def _elapsed(running: Sequence[Running]) -> float:
    """Core-seconds of the jobs until now."""
    return sum((time.monotonic() - job.started) * job.slot.threads for job in running)


def _launch(context: Any, cell: Cell, code: MagbenchPart, slot: Slot, timeout: float | None) -> Running:
    lifeline_end, lifeline = context.Pipe(duplex=False)
    answer, answer_end = context.Pipe(duplex=False)
    job = pickle.dumps((cell, code))
    process = context.Process(target=start_cell, args=(slot, job, lifeline_end, answer_end), daemon=True)
    process.start()
    lifeline_end.close()
    answer_end.close()
    return Running(cell, process, answer, lifeline, slot, time.monotonic() + (timeout or float("inf")))


def _ended(running: Sequence[Running]) -> list[Running]:
    """Wait until a process ends or passes its deadline; a late one is killed."""
    patience = min(job.deadline for job in running) - time.monotonic()
    connection.wait([job.process.sentinel for job in running], min(max(patience, 0), 3600))
    now = time.monotonic()
    return [job for job in running if not job.process.is_alive() or now >= job.deadline]


def _finish(job: Running, code: MagbenchPart) -> Record | None:
    """The record of a job that has ended; None where not even that of its failure can be made."""
    late = job.process.is_alive()
    answer = _answer(job)
    _kill(job)
    if answer is not None and answer[0] == "output":
        raise OutputError(answer[1])
    record = job.cell.record()
    if record is not None and record.finished >= job.began:
        return record  # published, even if the process was stopped before it could say so
    if late:
        seconds = time.monotonic() - job.started
        return _failure(job, code, "timeout", f"Stopped after {seconds:.0f} s (--timeout).")
    if job.process.exitcode == -signal.SIGKILL:
        message = "The process was killed (signal 9), most likely for using too much memory."
        return _failure(job, code, "oom", message)
    message = f"The process ended with {_exit(job.process.exitcode)}. What it printed is in {job.cell.log}."
    return _failure(job, code, "failed", message)


def _failure(job: Running, code: MagbenchPart, status: Status, message: str) -> Record | None:
    try:
        return publish_failure(job.cell, code, status, message, job.began, job.slot.threads)
    except OutputError:
        raise
    except MagbenchError:  # the method's file was broken meanwhile: there is no method to make a record of
        return None


def _exit(code: int | None) -> str:
    return f"signal {-code} ({signal.Signals(-code).name})" if code is not None and code < 0 else f"exit code {code}"


def _answer(job: Running) -> tuple[str, str] | None:
    try:
        return job.answer.recv() if job.answer.poll() else None
    except (EOFError, OSError):
        return None


def _kill(job: Running) -> None:
    job.process.kill()
    job.process.join()
    job.answer.close()
    job.lifeline.close()
