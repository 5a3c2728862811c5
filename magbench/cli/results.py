"""``magbench results``: tables of finished cells, and keeping them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magbench.cli import verify
from magbench.cli.arguments import Kept, Runs

if TYPE_CHECKING:
    from magbench.results.items import Cell
    from magbench.results.record import TaskPart
    from magbench.tables.listing import Listing
    from magbench.tables.results import ResultsTable

app = typer.Typer(help="Show finished cells; keep, score or run them again.", no_args_is_help=True)
app.command()(verify.verify)
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
    from magbench.tables.listing import listing_of

    cells: Sequence[Cell] = cells_of(runs, kept=kept)
    cells = _of_tasks(cells, task) if task else cells
    quoted = reported_rows(Registry.default(), {cell.record.task.id for cell in cells})
    listing = listing_of(cells, metric)
    if json:
        print_json({**as_json(listing), "reported": quoted})
        return
    if all(cell.record.status != "ok" for cell in cells):
        of = f" of {' or '.join(task)}" if task else ""
        places = [f"in {runs or 'runs'}"] * (runs is not None or not kept) + ["kept"] * kept
        print(f"No finished cell{of} is {' or '.join(places)}.", file=sys.stderr)
    show_tables(listing)
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
def rescore(
    path: Annotated[Path, typer.Argument(help="A runs folder, or a folder of kept results.")],
    json: Json = False,
) -> None:
    """Score stored predictions by today's metrics and write what is new into their records; nothing is trained.

    Example: `magbench results rescore leaderboard/runs`.
    """
    from magbench.cli.output import print_json
    from magbench.registry import Registry
    from magbench.results.rescore import cells_at, rescored, update

    found = list(rescored(cells_at(path), Registry.default()))
    files = update(found)
    fresh = sorted({metric for result in found for metric in result.fresh})
    if json:
        print_json({"cells": len(found), "fresh": fresh, "files": [str(file) for file in files]})
        return
    news = f"new in {len(files)} files: {', '.join(fresh)}" if files else "no metric is new"
    print(f"{len(found)} cells scored again; {news}.")


@app.command()
def keep(
    runs: Annotated[Path, typer.Option(help="Folder of results.")] = Path("runs"),
    to: Annotated[
        Path | None, typer.Option(help="Target; default: leaderboard/runs, or leaderboard/studies, of the checkout.")
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Keep the cells of this study instead, failed ones too, beside its summary.")
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
        _keep_study(study, runs, to, replace, json)
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


def _keep_study(name: str, runs: Path, to: Path | None, replace: bool, json: bool) -> None:
    from magbench.board.study_summary import write_summary
    from magbench.cli.output import print_json
    from magbench.registry import Registry
    from magbench.results.frame import read_cells
    from magbench.results.keep import leaderboard
    from magbench.results.study import keep_study, read_study, study_suite
    from magbench.tables.study import study_table

    registry = Registry.default()
    suite = study_suite(registry, name)
    folder = to or leaderboard("studies")
    _, left = keep_study(suite, registry, read_cells(runs), folder, replace=replace)
    table = study_table(read_study(suite, registry, folder))
    summary, _ = write_summary(table, folder / name)
    if json:
        counts = {"cells": table.planned, "ok": table.ok, "failed": len(table.failed), "not_run": table.missing}
        print_json({"folder": str(folder / name), **counts, "left": left})
        return
    print(f"{table.ok} of {table.planned} cells of {name} are kept in {folder / name}; {table.missing} not run.")
    for sentence in left:
        print(sentence)
    print(f"Summary: {summary}")


def as_json(listing: Listing) -> dict[str, Any]:
    """The results tables, the tables of retrieval's controls, and a sentence for each row that may not be shown."""
    from magbench.cli.controls import control_rows

    return {
        "results": [row for table in listing.results for row in table_rows(table)],
        "controls": [control_rows(table) for table in listing.controls],
        "not_shown": list(listing.not_shown),
    }


def table_rows(table: ResultsTable) -> list[dict[str, Any]]:
    """A results table as plain rows."""
    return [
        {
            "protocol": table.protocol,
            "features": table.features,
            "metric": table.metrics[0],
            "task": table.task,
            "dataset": table.dataset,
            "method": row.method,
            "n_seeds": row.seeds,
            "mean": row.score.mean,
            "std": row.score.std,
            "low": row.low,
            "high": row.high,
            "interval": row.interval,
            "note": row.note,
            "difference": row.versus.difference if row.versus else None,
            "p": row.versus.p if row.versus else None,
            "p_holm": row.versus.p_holm if row.versus else None,
            "detectable": row.versus.detectable if row.versus else None,
            "stale": row.stale,
            **({} if table.pool is None else {"pool": table.pool, "towers": row.towers or None}),
        }
        for row in table.rows
    ]


def show_tables(listing: Listing) -> None:
    """Print the table of each metric: mean ± std, the 95 % interval, the gain over the host, its Holm-corrected p."""
    from magbench.cli.controls import show_controls

    found = [row for table in listing.results for row in table_rows(table)]
    for name in dict.fromkeys(row["metric"] for row in found):
        _show_table([row for row in found if row["metric"] == name], name)
    for table in listing.controls:
        show_controls(table)
    for text in listing.not_shown:
        print(text, file=sys.stderr)


def _interval(row: dict[str, Any]) -> str:
    if row["n_seeds"] < 2:
        return ""
    return "same for each seed" if row["std"] < 1e-12 else f"[{row['low']:.4f}, {row['high']:.4f}]"


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
            "method": row["method"] + (" (coupled)" if row in coupled else "") + (" (stale)" if row["stale"] else ""),
            "seeds": row["n_seeds"],
            metric: f"{row['mean']:.4f}" + (f" ± {row['std']:.4f}" if row["n_seeds"] > 1 else ""),
            "interval": _interval(row),
            "gain": "" if row["difference"] is None else f"{row['difference']:+.4f}",
            "p": "" if row["p_holm"] is None else f"{row['p_holm']:.3f}",
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
    if any(row["stale"] for row in found):
        print("Stale: made by an earlier revision of the method, which predicts otherwise today; run it again.")
    if coupled:
        print(
            "Coupled towers: messages pass between the modalities. Read them beside the same method on random features "
            "([control=random]) and with node-disjoint context (docs/retrieval.md)."
        )
