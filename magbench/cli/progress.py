"""How a run shows where it is: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from magbench.cli.output import is_live

if TYPE_CHECKING:
    from rich.progress import TaskID

    from magbench.data.published.hub import Show
    from magbench.results.record import Record
    from magbench.run.plan import Cell
    from magbench.run.scheduler import Progress


@contextmanager
def progress_display(total: int) -> Iterator[Progress]:
    """A callback for the scheduler, shown on standard error."""
    if total and is_live(sys.stderr):
        with _bar(total) as show:
            yield show
    else:
        yield _lines(total)


@contextmanager
def transfer_display() -> Iterator[Show]:
    """A callback for downloads, shown on standard error: a live bar a file, or a line when a file is whole."""
    if not is_live(sys.stderr):
        yield _transfer_line
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True, highlight=False)) as bar:
        rows: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in rows:
                rows[what] = bar.add_task(escape(what.rpartition("/")[2]), total=total or None)
            bar.update(rows[what], completed=done)

        yield show


def _transfer_line(what: str, done: int, total: int) -> None:
    if done == total:
        size = f" ({total / 1e6:.1f} MB)" if total else ""
        print(f"{what}{size}", file=sys.stderr, flush=True)


def describe(cell: Cell, record: Record | None) -> str:
    """One finished cell in one line."""
    if record is None:
        return f"{cell}: NO RESULT (its method could not be loaded any more)"
    seconds = (record.cost.fit_s or 0) + (record.cost.predict_s or 0)
    result = _score(record) if record.status == "ok" else record.status.upper()
    return f"{cell}: {result} ({seconds:.1f} s)"


def _score(record: Record) -> str:
    """The primary score, in retrieval with the number of candidates, and marked where the sides are coupled."""
    score = record.scores[0]
    of = f" of {score.pool} candidates" if score.pool is not None else ""
    return f"{score.metric} {score.value:.4f}{of}" + (", coupled" if record.method.towers == "coupled" else "")


def _lines(total: int) -> Progress:
    done = 0
    start = time.monotonic()

    def show(event: str, cell: Cell, record: Record | None) -> None:
        nonlocal done
        if event == "end":
            done += 1
            print(
                f"[{done}/{total} {time.monotonic() - start:.0f}s] {describe(cell, record)}",
                file=sys.stderr,
                flush=True,
            )

    return show


@contextmanager
def _bar(total: int) -> Iterator[Progress]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True, highlight=False)) as bar:
        running: dict[str, str] = {}
        row = bar.add_task("", total=total)

        def show(event: str, cell: Cell, record: Record | None) -> None:
            if event == "start":
                running[cell.run_id] = f"{cell.method} #{cell.seed}"
            else:
                running.pop(cell.run_id, None)
                bar.console.print(escape(describe(cell, record)))
                bar.advance(row)
            bar.update(row, description=escape(", ".join(running.values())))

        yield show
