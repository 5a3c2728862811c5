"""``magbench results``: tables of finished cells, and keeping them."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magbench.cli.arguments import Kept, Runs

if TYPE_CHECKING:
    from magbench.results.items import Cell
    from magbench.results.record import TaskPart

app = typer.Typer(help="Show finished cells, or keep them in the leaderboard.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("ls")
def ls(
    runs: Runs = None,
    task: Annotated[
        list[str] | None, typer.Option("--task", "-t", help="Only this task and its variants; may be repeated.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="Metric shown; default: each task's primary one.")] = None,
    kept: Kept = False,
    json: Json = False,
) -> None:
    """Show the table of a runs folder, of the kept results, or of both.

    Examples: `magbench results ls -t nc/emoji --metric macro_f1`; your own beside ours:
    `magbench results ls -t ret/emoji --runs runs --kept`.
    """
    from magbench.cli.output import print_json
    from magbench.registry import Registry
    from magbench.results.kept import cells_of
    from magbench.results.reported import reported_rows

    cells: Sequence[Cell] = cells_of(runs, kept=kept)
    cells = _of_tasks(cells, task) if task else cells
    quoted = reported_rows(Registry.default(), {cell.record.task.id for cell in cells})
    if json:
        print_json({**as_json(cells, metric), "reported": quoted})
        return
    if all(cell.record.status != "ok" for cell in cells):
        of = f" of {' or '.join(task)}" if task else ""
        places = [f"in {runs or 'runs'}"] * (runs is not None or not kept) + ["kept"] * kept
        print(f"No finished cell{of} is {' or '.join(places)}.", file=sys.stderr)
    show_tables(cells, metric)
    _show_reported(quoted)


@app.command()
def reported(
    task: Annotated[list[str] | None, typer.Option("--task", "-t", help="Only this task; may be repeated.")] = None,
    json: Json = False,
) -> None:
    """List numbers quoted from papers, with what their sources leave open; they are never ranked.

    Example: `magbench results reported -t ret/toys`.
    """
    from magbench.cli.output import print_json
    from magbench.registry import Registry
    from magbench.results.reported import reported_rows

    registry = Registry.default()
    rows = reported_rows(registry, {registry.task(name).id for name in task} if task else None)
    if json:
        print_json({"reported": rows})
        return
    _show_reported(rows)
    if not rows:
        print("No paper's number is quoted" + (f" for {' or '.join(task)}." if task else "."), file=sys.stderr)


def _show_reported(rows: Sequence[dict[str, Any]]) -> None:
    from magbench.cli.output import print_table

    if rows:
        columns = {key: key for key in rows[0] if key != "url"}
        print_table(rows, columns, "Reported by papers, not run here, never ranked")


def _of_tasks(cells: Sequence[Cell], names: Sequence[str]) -> list[Cell]:
    """The cells of the named tasks and of their variants."""
    from magbench.registry import Registry
    from magbench.variants import is_variant

    wanted = [Registry.default().task(name) for name in names]

    def asked(task: TaskPart) -> bool:
        return any(task.version == spec.version and is_variant(task.id, spec.id) for spec in wanted)

    return [cell for cell in cells if asked(cell.record.task)]


@app.command()
def keep(
    runs: Annotated[Path, typer.Option(help="Folder of results.")] = Path("runs"),
    to: Annotated[
        Path | None, typer.Option(help="Target; default: leaderboard/runs, or leaderboard/studies, of the checkout.")
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Keep the cells of this study instead, in one table beside its summary.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where the kept cells are of more seeds, by other code or data.")
    ] = False,
    json: Json = False,
) -> None:
    """Keep the finished cells of the runs folder in compact form, to be committed.

    Example: `magbench results keep --study optimag-grid --runs runs`.
    """
    if study is not None:
        _keep_study(study, runs, to, json)
        return
    from magbench.cli.output import print_json
    from magbench.results.frame import read_cells
    from magbench.results.keep import keep as keep_cells
    from magbench.results.keep import leaderboard

    folder = to or leaderboard("runs")
    found = read_cells(runs)
    files, left = keep_cells(found, folder, replace=replace)
    if json:
        print_json({"files": [str(file) for file in files], "left": left})
        return
    print(f"{len(files)} files written" + (f" below {folder}" if files else "" if left else ": no finished cell found"))
    for sentence in left:
        print(sentence)


def _keep_study(name: str, runs: Path, to: Path | None, json: bool) -> None:
    from magbench.board.study import study_view
    from magbench.board.study_summary import write_summary
    from magbench.cli.output import print_json
    from magbench.registry import Registry
    from magbench.results.frame import read_cells
    from magbench.results.keep import leaderboard
    from magbench.results.study import keep_study, study_suite

    registry = Registry.default()
    suite = study_suite(registry, name)
    folder = to or leaderboard("studies")
    kept = keep_study(suite, registry, read_cells(runs), folder)
    view = study_view(kept)
    summary, _ = write_summary(view, folder / name)
    if json:
        counts = {"cells": view.planned, "ok": view.ok, "failed": len(view.failed), "not_run": view.missing}
        print_json({"folder": str(folder / name), **counts})
    else:
        print(f"{view.ok} of {view.planned} cells of {name} are kept in {folder / name}; {view.missing} not run.")
        print(f"Summary: {summary}")


def as_json(cells: Sequence[Cell], metric: str | None) -> dict[str, Any]:
    """The results table, the tables of retrieval's controls, and a sentence for each row that may not be shown."""
    from magbench.cli.controls import control_rows
    from magbench.results.controls import fit_to_show

    rows = {"results": table_rows(cells, metric), "controls": control_rows(cells, metric)}
    return {**rows, "not_shown": fit_to_show(cells)[1]}


def table_rows(cells: Sequence[Cell], metric: str | None) -> list[dict[str, Any]]:
    """The results table as plain rows; empty without a finished cell.

    Args:
        cells: stored or kept cells.
        metric: which; default: the primary one of each task, the first of its scores.
    """
    from magbench.errors import UnknownNameError
    from magbench.results.controls import fit_to_show
    from magbench.results.table import results_table

    cells, _ = fit_to_show(cells)
    ok = [cell for cell in cells if cell.record.status == "ok"]
    known = {score.metric for cell in ok for score in cell.record.scores}
    if metric is not None and known and metric not in known:
        raise UnknownNameError("metric", metric, known)
    groups: dict[tuple[str, str, str], list[Cell]] = defaultdict(list)
    for cell in ok:
        if metric is not None and metric not in {score.metric for score in cell.record.scores}:
            continue
        shown = metric or cell.record.scores[0].metric
        groups[cell.record.protocol, cell.record.dataset.features, shown].append(cell)
    return [
        {"protocol": protocol, "features": features, "metric": shown, **row, **_retrieval(group, row)}
        for (protocol, features, shown), group in sorted(groups.items())
        for row in results_table(group, shown).to_dict("records")
    ]


def _interval(row: dict[str, Any]) -> str:
    if row["n_seeds"] < 2:
        return ""
    return "same for each seed" if row["std"] < 1e-12 else f"[{row['low']:.4f}, {row['high']:.4f}]"


def _retrieval(group: Sequence[Cell], row: dict[str, Any]) -> dict[str, Any]:
    """What must stand beside a number of retrieval: the candidates of a query, and what the towers are."""
    cells = (cell.record for cell in group if cell.record.method.name == row["method"])
    own = next(record for record in cells if f"{record.task.id}@{record.task.version}" == row["task"])
    pool, towers = own.scores[0].pool, own.method.towers
    return {} if pool is None else {"pool": pool, "towers": towers}


def show_tables(cells: Sequence[Cell], metric: str | None) -> None:
    """Print the table of each metric: mean ± std, the 95 % interval, the gain over the host, its Holm-corrected p."""
    from magbench.cli.controls import show_controls

    found = table_rows(cells, metric)
    for name in dict.fromkeys(row["metric"] for row in found):
        _show_table([row for row in found if row["metric"] == name], name)
    show_controls(cells, metric)


def _show_table(found: list[dict[str, Any]], metric: str) -> None:
    from magbench.cli.output import print_table

    same = {key: len({row.get(key) for row in found}) <= 1 for key in ("task", "features", "protocol", "pool")}
    coupled = [row for row in found if row.get("towers") == "coupled"]
    rows = [
        {
            "task": row["task"],
            "features": row["features"],
            "protocol": row["protocol"],
            "pool": row.get("pool"),
            "method": row["method"] + (" (coupled)" if row in coupled else ""),
            "seeds": row["n_seeds"],
            metric: f"{row['mean']:.4f}" + (f" ± {row['std']:.4f}" if row["n_seeds"] > 1 else ""),
            "interval": _interval(row),
            "gain": "" if isnan(row["difference"]) else f"{row['difference']:+.4f}",
            "p": "" if isnan(row["p_holm"]) else f"{row['p_holm']:.3f}",
        }
        for row in found
    ]
    headings = {
        **{key: key for key in same if not same[key]},
        "method": "method",
        "seeds": "seeds",
        metric: f"{metric} (mean ± std)",
        "interval": "95 % interval",
        "gain": "gain over host",
        "p": "p (Holm)",
    }
    shown = {key: str(rows[0][key]) for key in same if rows and same[key] and rows[0][key] is not None}
    if "pool" in shown:
        shown["pool"] = f"{rows[0]['pool']} candidates"
    print_table(rows, headings, ", ".join(shown.values()))
    if coupled:
        print(
            "Coupled towers: messages pass between the modalities. Read them beside the same method on random features "
            "([control=random]) and with node-disjoint context (docs/retrieval.md)."
        )
