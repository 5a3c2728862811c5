"""``magbench results``: tables of finished cells, and keeping them."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from magbench.results.record import Record

app = typer.Typer(help="Show finished cells, or keep them in the leaderboard.", no_args_is_help=True)
Runs = Annotated[Path, typer.Option(help="Folder of results.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("ls")
def ls(
    runs: Runs = Path("runs"),
    metric: Annotated[str | None, typer.Option(help="Metric shown; default: each task's primary one.")] = None,
    kept: Annotated[bool, typer.Option("--kept", help="Show the kept results of the checkout instead.")] = False,
    json: Json = False,
) -> None:
    """Show the table of a runs folder, or of the kept results.

    Example: `magbench results ls --metric macro_f1`.
    """
    from magbench.cli.output import print_json
    from magbench.results.frame import newest, read_cells
    from magbench.results.keep import kept_records

    records = kept_records() if kept else [cell.record for cell in newest(read_cells(runs))]
    if json:
        print_json(table_rows(records, metric))
    else:
        show_table(records, metric)


@app.command()
def keep(
    runs: Runs = Path("runs"),
    to: Annotated[
        Path | None, typer.Option(help="Target; default: leaderboard/runs, or leaderboard/studies, of the checkout.")
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Keep the cells of this study instead, in one table beside its summary.")
    ] = None,
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
    files = keep_cells(read_cells(runs), folder)
    if json:
        print_json([str(file) for file in files])
    else:
        print(f"{len(files)} files written" + (f" below {folder}" if files else ": no finished cell found"))


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


def table_rows(records: Sequence[Record], metric: str | None) -> list[dict[str, Any]]:
    """The results table as plain rows, by default on each task's primary metric; empty without a finished cell."""
    from magbench.errors import UnknownNameError
    from magbench.results.table import results_table

    known = {score.metric for record in records for score in record.scores}
    if metric is not None and known and metric not in known:
        raise UnknownNameError("metric", metric, known)
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        if record.status == "ok":
            shown = metric or record.scores[0].metric
            groups.setdefault((record.protocol, record.dataset.features, shown), []).append(record)
    return [
        {"protocol": protocol, "features": features, "metric": shown, **row}
        for (protocol, features, shown), group in sorted(groups.items())
        for row in results_table(group, shown).to_dict("records")
    ]


def show_table(records: Sequence[Record], metric: str | None) -> None:
    """Print mean ± std, the 95 % interval, and the gain over the plain host with its Holm-corrected p."""
    from magbench.cli.output import print_table

    found = table_rows(records, metric)
    shared = {key for key in ("task", "features", "protocol", "metric") if len({row[key] for row in found}) <= 1}
    rows = [
        {
            **row,
            "seeds": row["n_seeds"],
            "score": f"{row['mean']:.4f}" + (f" ± {row['std']:.4f}" if row["n_seeds"] > 1 else ""),
            "interval": f"[{row['low']:.4f}, {row['high']:.4f}]" if row["n_seeds"] > 1 else "",
            "gain": "" if isnan(row["difference"]) else f"{row['difference']:+.4f}",
            "p": "" if isnan(row["p_holm"]) else f"{row['p_holm']:.3f}",
        }
        for row in found
    ]
    name = found[0]["metric"] if found and "metric" in shared else "score"
    headings = {
        **{key: key for key in ("task", "features", "protocol", "metric") if key not in shared},
        "method": "method",
        "seeds": "seeds",
        "score": f"{name} (mean ± std)",
        "interval": "95 % interval",
        "gain": "gain over host",
        "p": "p (Holm)",
    }
    title = ", ".join(str(rows[0][key]) for key in ("task", "features", "protocol") if rows and key in shared)
    print_table(rows, headings, title)
