"""Cells on a Dask cluster, whose workers run them as this machine does, isolated (:mod:`magbench.run.host`)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from magbench.errors import MagbenchError, OutputError
from magbench.paths import install_extra
from magbench.results.record import MagbenchPart, Record
from magbench.run.cell import publish_failure
from magbench.run.host import run_isolated
from magbench.run.plan import Cell
from magbench.run.scheduler import Progress


def run_dask(
    cells: Sequence[Cell],
    code: MagbenchPart,
    *,
    address: str,
    timeout: float | None,
    threads: int,
    progress: Progress,
) -> None:
    """Run ``cells`` on the Dask cluster at ``address``; the runs folder must be shared with its workers.

    A cell has ``threads`` threads; which GPU it takes is its worker's affair.

    Raises:
        MagbenchError: the extra is not installed, no scheduler answers, or a worker lacks the method or the data.
        OutputError: a result cannot be written, or is not where this process looks for it.
    """
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise MagbenchError(f"--scheduler needs the extra: {install_extra('distributed')}.") from None
    try:
        client = distributed.Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise MagbenchError(
            f"No Dask scheduler answers at {address!r}: {error}. Start one with `dask scheduler`, and give its address."
        ) from None
    before = {cell: cell.record() for cell in cells}
    with client:
        futures = {client.submit(run_isolated, cell, code, timeout, threads, key=cell.run_id): cell for cell in cells}
        for cell in cells:
            progress("start", cell, None)
        try:
            for future in distributed.as_completed(futures):
                progress("end", futures[future], collect(future, futures[future], code, before[futures[future]]))
        finally:
            client.cancel([future for future in futures if not future.done()])


def collect(future: Any, cell: Cell, code: MagbenchPart, before: Record | None = None) -> Record:
    """The published record of a cell whose future has ended; a cell the cluster lost gets a failure record.

    Args:
        future: of the cell.
        cell: what was run.
        code: magbench's own version and commit.
        before: the record that was there before the run; a worker may publish and be lost before it can say so.

    Raises:
        MagbenchError: what the cell's worker raised.
        OutputError: the record is not where this process looks for it.
    """
    error = future.exception()
    if isinstance(error, MagbenchError):
        raise error
    record = cell.record()
    if record is not None and (before is None or record.finished != before.finished):
        return record
    if error is not None:
        return publish_failure(cell, code, "failed", f"The cluster lost the cell: {type(error).__name__}: {error}.")
    raise OutputError(
        f"{cell.folder} is missing, or an older one, although a worker has published it: --out must be a folder that"
        " the cluster's workers share with this machine."
    )
