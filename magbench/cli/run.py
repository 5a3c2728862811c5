"""``magbench run``: run tasks × methods × seeds, then show the table and write the report."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from magbench.results.record import Record
    from magbench.run.plan import Cell
    from magbench.run.slots import Slots


def run(
    task: Annotated[list[str] | None, typer.Option("--task", "-t", help="Task, e.g. nc/emoji. Repeatable.")] = None,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", help="Method, e.g. sage+optimag or ./my_method.py. Repeatable."),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", help="METHOD.OPTION=VALUE, e.g. optimag.rho=0.1. Repeatable.")
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option("--features", help="Feature set; each task takes those its data set has. Repeatable."),
    ] = None,
    suite: Annotated[str | None, typer.Option(help="Suite of tasks and methods; default: quickstart.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Protocol id; default: the suite's, else standard@1.")] = None,
    seeds: Annotated[str | None, typer.Option(help="Subset of the protocol's seeds: 0-3 or 0,2,5.")] = None,
    controls: Annotated[
        bool,
        typer.Option("--controls", help="Beside each task its main controls, which take its scores apart."),
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder of results.")] = Path("runs"),
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Cells at a time; default: one a GPU, else as many as the cores have threads for."),
    ] = None,
    threads: Annotated[
        int, typer.Option(min=1, help="Threads a cell; more than one may change the last bits of its predictions.")
    ] = 1,
    timeout: Annotated[float | None, typer.Option(min=1, help="Seconds a cell may take.")] = None,
    overwrite: Annotated[
        str,
        typer.Option(help="missing: keep what is ok, run failures again; never: keep failures too; always: run all."),
    ] = "missing",
    budget: Annotated[
        float | None,
        typer.Option(help="Core-hours after which no cell starts; what finished cells of this plan took counts."),
    ] = None,
    skip_kept: Annotated[
        bool,
        typer.Option(
            "--skip-kept",
            help="Leave out cells kept under the same key: of a study in its own folder, or else anywhere.",
        ),
    ] = False,
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

      magbench run -t ret/emoji -m goma --controls

      magbench run --suite seven --plan
    """
    from magbench.run.server import start_server

    _check(overwrite, budget, scheduler)
    if not plan:
        from magbench.cli.output import check_output

        check_output(out / "report" / "index.html", "--out")
    if not plan and scheduler is None:
        start_server()
    from magbench.cli.plan import Plan, show_plan
    from magbench.run.needs import needs, refuse_needs
    from magbench.run.plan import pending
    from magbench.run.request import make_request
    from magbench.run.slots import Slots

    with redirect_stdout(sys.stderr):  # a method's file may print when it is imported
        request = make_request(
            suite=suite,
            tasks=task or (),
            methods=method or (),
            options=option or (),
            features=features or (),
            protocol=protocol,
            seeds=seeds,
            controls=controls,
        )
        cells = request.plan(out)
    missing = needs(cells, request.registry)
    if not plan:
        refuse_needs(missing)
    todo = pending(cells, overwrite)  # type: ignore[arg-type]
    study = suite if suite is not None and request.registry.suite(suite).study else None
    kept = _kept(study) if skip_kept else {}
    found = [cell for cell in todo if (cell.key, cell.seed) in kept]
    if found:
        print(f"{len(found)} of {len(cells)} cells are kept already and left out.", file=sys.stderr)
        todo = [cell for cell in todo if cell not in set(found)]
    spent = _spent(cells, todo, kept)
    slots = Slots.of_machine(jobs, threads)
    if plan:
        show_plan(Plan(cells, todo, missing, out, slots.jobs, spent, budget), request.registry, json)
        return
    try:
        seconds = None if budget is None else budget * 3600 - spent
        left = _execute(todo, len(cells) - len(found), out, slots, timeout, scheduler, seconds)
    except KeyboardInterrupt:
        done = sum(cell.record() is not None for cell in cells)
        print(
            f"\nStopped. {done} of {len(cells)} cells are in {out}; the same command goes on from there.",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None
    _conclude(cells, todo, left, out, json)


def _check(overwrite: str, budget: float | None, scheduler: str | None) -> None:
    """Refuse options that are out of range or do not go together."""
    from magbench.errors import OptionError

    if overwrite not in ("missing", "never", "always"):
        raise OptionError(f"--overwrite {overwrite!r}: allowed are missing, never, always.")
    if budget is not None and not 0 < budget < float("inf"):
        raise OptionError(f"--budget {budget:g}: give a number of core-hours above 0, e.g. --budget 0.5.")
    if budget is not None and scheduler is not None:
        raise OptionError("--budget holds for cells of this machine; it cannot be given with --scheduler.")


def _execute(
    todo: list[Cell],
    total: int,
    out: Path,
    slots: Slots,
    timeout: float | None,
    scheduler: str | None,
    budget: float | None,
) -> list[Cell]:
    """Run what is to do; returns what the budget, in core-seconds, left out."""
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
                run_dask(
                    todo,
                    magbench_part(),
                    address=scheduler,
                    timeout=timeout,
                    threads=slots.threads,
                    progress=progress,
                )
                return []
            return run_local(todo, magbench_part(), slots=slots, timeout=timeout, progress=progress, budget=budget)
    finally:
        remove_orphans(out)


def _kept(study: str | None) -> dict[tuple[str, int], float]:
    """(key, seed) → core-seconds of the cells that are kept, of a study in its own folder, or else anywhere."""
    from magbench.results.kept import every_kept_cell, study_cells

    records = (cell.record for cell in (study_cells(study) if study else every_kept_cell()))
    return {(record.key, record.seed): record.core_seconds for record in records if record.status == "ok"}


def _spent(cells: list[Cell], todo: list[Cell], kept: dict[tuple[str, int], float]) -> float:
    """Core-seconds of the cells that stay: stored in the runs folder, or else kept."""
    from magbench.run.estimate import spent_seconds

    again = set(todo)
    stay = [cell for cell in cells if cell not in again]
    elsewhere = (kept.get((cell.key, cell.seed), 0.0) for cell in stay if cell.record() is None)
    return spent_seconds(stay) + sum(elsewhere)


def _conclude(cells: list[Cell], todo: list[Cell], left: list[Cell], out: Path, json: bool) -> None:
    """Print the table, then write the report, say what failed and what was left out by the budget.

    Exit code 2 when a user's mistake made a cell fail, 1 for other failures.
    """
    from magbench.board.collect import write_run_report
    from magbench.cli.output import print_json
    from magbench.cli.results import as_json, show_tables
    from magbench.results.controls import controls_beside
    from magbench.results.frame import StoredCell
    from magbench.run.cell import cannot_write
    from magbench.tables.listing import listing_of

    dropped = set(left)
    stored = [
        StoredCell(record, cell.folder)
        for cell in cells
        if cell not in dropped and (record := cell.record()) is not None
    ]
    failed = [cell.record for cell in stored if cell.record.status != "ok"]
    stored += controls_beside(stored, out)
    listing = listing_of(stored)
    if not json and len(failed) < len(stored):
        show_tables(listing)
    try:
        page = write_run_report(stored, out / "report")
    except OSError as error:
        raise cannot_write(out / "report", error) from error
    if json:
        print_json(
            {
                **as_json(listing),
                "failed": _failures(failed),
                "not_run": _not_run(left),
                "report": str(page),
            }
        )
    else:
        print(f"Report: {page}")
    _complain(stored, failed, left, len(cells))
    lost = [cell for cell in todo if cell not in dropped and cell.record() is None]
    if lost:
        print(f"{len(lost)} cells left no result, e.g. {lost[0]}; run the command again to see why.", file=sys.stderr)
    if failed or lost:
        raise typer.Exit(2 if not lost and all(record.error and record.error.user for record in failed) else 1)


def _complain(stored: list[Any], failed: list[Record], left: list[Cell], total: int) -> None:
    """Say on stderr what methods warned of, what failed, and what was left out."""
    from magbench.cli.output import debug

    _warn(stored)
    for failure in _failures(failed):
        print(f"{failure['cells']} × {failure['status']}: {failure['error']}", file=sys.stderr)
        if debug and failure["traceback"]:
            print(failure["traceback"], file=sys.stderr)
    if left:
        print(f"The budget is used up: {len(left)} of {total} cells were not run:", file=sys.stderr)
    for row in _not_run(left):
        print(f"  {row['task']} {row['method']}: seeds {', '.join(map(str, row['seeds']))}", file=sys.stderr)


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


def _not_run(left: list[Cell]) -> list[dict[str, Any]]:
    """Cells grouped by task and method, with their seeds."""
    groups: dict[tuple[str, str], list[int]] = {}
    for cell in left:
        groups.setdefault((cell.task, cell.method), []).append(cell.seed)
    return [{"task": task, "method": method, "seeds": seeds} for (task, method), seeds in groups.items()]
