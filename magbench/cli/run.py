"""``magbench run``: run tasks × methods × seeds, then show the table and write the report."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from magbench.results.record import Record
    from magbench.run.plan import Cell


def run(
    task: Annotated[list[str] | None, typer.Option("--task", "-t", help="Task, e.g. nc/emoji. Repeatable.")] = None,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", help="Method, e.g. sage+optimag or ./my_method.py. Repeatable."),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", help="METHOD.OPTION=VALUE, e.g. optimag.rho=0.1. Repeatable.")
    ] = None,
    suite: Annotated[str | None, typer.Option(help="Suite of tasks and methods; default: quickstart.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Protocol id; default: the suite's, else standard@1.")] = None,
    seeds: Annotated[str | None, typer.Option(help="Subset of the protocol's seeds: 0-3 or 0,2,5.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of results.")] = Path("runs"),
    jobs: Annotated[int | None, typer.Option(min=1, help="Cells at a time; default: one a core.")] = None,
    timeout: Annotated[float | None, typer.Option(min=1, help="Seconds a cell may take.")] = None,
    overwrite: Annotated[
        str,
        typer.Option(help="missing: keep what is ok, run failures again; never: keep failures too; always: run all."),
    ] = "missing",
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler that shares --out.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show the cells and what they may cost; run nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run methods on tasks. Without arguments: the quick-start suite on the shipped emoji data.

    Finished cells are kept and skipped when the same command is given again.

    Examples:

      magbench run

      magbench run -t nc/emoji -m gcn -m gcn+optimag -o optimag.rho=0.1

      magbench run -t nc/emoji -m ./my_method.py --seeds 0-2
    """
    from magbench.errors import OptionError
    from magbench.run.scheduler import start_server

    if overwrite not in ("missing", "never", "always"):
        raise OptionError(f"--overwrite {overwrite!r}: allowed are missing, never, always.")
    if not plan and scheduler is None:
        start_server()
    from magbench.run.plan import pending
    from magbench.run.request import make_request

    with redirect_stdout(sys.stderr):  # a method's file may print when it is imported
        request = make_request(
            suite=suite, tasks=task or (), methods=method or (), options=option or (), protocol=protocol, seeds=seeds
        )
        cells = request.plan(out)
    todo = pending(cells, overwrite)  # type: ignore[arg-type]
    workers = jobs or _cores()
    if plan:
        _show_plan(cells, todo, workers, json)
        return
    try:
        _execute(todo, len(cells), out, workers, timeout, scheduler)
    except KeyboardInterrupt:
        done = sum(cell.record() is not None for cell in cells)
        print(
            f"\nStopped. {done} of {len(cells)} cells are in {out}; the same command goes on from there.",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None
    _conclude(cells, request.tasks[0].primary, out, json)


def _cores() -> int:
    """Cores this process may use: a batch system or a container often grants fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _execute(todo: list[Cell], total: int, out: Path, jobs: int, timeout: float | None, scheduler: str | None) -> None:
    from magbench.cli.progress import progress_display
    from magbench.run.cell import remove_orphans
    from magbench.run.cluster import run_dask
    from magbench.run.provenance import magbench_part
    from magbench.run.scheduler import run_local

    if len(todo) < total:
        print(f"{total - len(todo)} of {total} cells are there already.", file=sys.stderr)
    try:
        with progress_display(len(todo)) as progress:
            if scheduler:
                run_dask(todo, magbench_part(), address=scheduler, timeout=timeout, progress=progress)
            else:
                run_local(todo, magbench_part(), jobs=jobs, timeout=timeout, progress=progress)
    finally:
        remove_orphans(out)


def _conclude(cells: list[Cell], metric: str, out: Path, json: bool) -> None:
    """Print the table, write the report, say what failed; exit 2 when a user's mistake made a cell fail, else 1."""
    from magbench.board.collect import write_run_report
    from magbench.cli.output import debug, print_json
    from magbench.cli.results import show_table, table_rows
    from magbench.results.frame import StoredCell
    from magbench.run.cell import cannot_write

    stored = [StoredCell(record, cell.folder) for cell in cells if (record := cell.record()) is not None]
    records = [cell.record for cell in stored]
    failed = [record for record in records if record.status != "ok"]
    try:
        page = write_run_report(stored, out / "report")
    except OSError as error:
        raise cannot_write(out / "report", error) from error
    if json:
        print_json({"results": table_rows(records, metric), "failed": _failures(failed), "report": str(page)})
    else:
        if len(failed) < len(stored):
            show_table(records, metric)
        print(f"Report: {page}")
    _warn(stored)
    for failure in _failures(failed):
        print(f"{failure['cells']} × {failure['status']}: {failure['error']}", file=sys.stderr)
        if debug and failure["traceback"]:
            print(failure["traceback"], file=sys.stderr)
    if failed:
        raise typer.Exit(2 if all(record.error and record.error.user for record in failed) else 1)


def _failures(records: list[Record]) -> list[dict[str, Any]]:
    """Equal failures counted together, with the traceback of the first."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for record in records:
        error = f"{record.error.type}: {record.error.message}" if record.error else record.status
        row = found.setdefault(
            (record.method.name, record.status, error),
            {
                "method": record.method.name,
                "status": record.status,
                "error": f"{record.task.id} {record.method.name}: {error}",
                "cells": 0,
                "traceback": record.error.traceback if record.error else "",
            },
        )
        row["cells"] += 1
    return list(found.values())


def _warn(stored: list[Any]) -> None:
    counts = Counter((cell.record.method.name, text) for cell in stored for text in cell.record.warnings)
    for (method, text), n in counts.items():
        print(f"Warning ({method}, {n} cells): {text}", file=sys.stderr)


def _show_plan(cells: list[Cell], todo: list[Cell], jobs: int, json: bool) -> None:
    from magbench.cli.output import print_json, print_table
    from magbench.run.estimate import known_seconds

    seconds = known_seconds(cells)
    groups = Counter((cell.task, cell.method) for cell in todo)
    rows: list[dict[str, Any]] = [
        {"task": task, "method": method, "cells": n, "s_cell": seconds.get((task, method))}
        for (task, method), n in groups.items()
    ]
    known = [row["cells"] * row["s_cell"] for row in rows if row["s_cell"] is not None]
    unknown = sum(row["cells"] for row in rows if row["s_cell"] is None)
    estimate = sum(known) / jobs
    if json:
        print_json(
            {
                "cells": len(cells),
                "to_run": len(todo),
                "jobs": jobs,
                "estimate_s": estimate,
                "without_estimate": unknown,
                "plan": rows,
            }
        )
        return
    print_table(rows, {"task": "task", "method": "method", "cells": "cells to run", "s_cell": "s a cell"})
    took = time.strftime("%H:%M:%S", time.gmtime(estimate)) + f" with {jobs} jobs"
    about = "no cell like them has run before" if not known else f"about {took}"
    rest = f", and {unknown} cells without an estimate" if known and unknown else ""
    print(f"{len(todo)} of {len(cells)} cells to run; {about}{rest}." if todo else f"All {len(cells)} cells are there.")
