"""``magbench score``: stored predictions → scores; neither training code nor data are needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def score(
    path: Annotated[Path, typer.Argument(help="A cell's folder, a runs folder, or a folder of kept results.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score predictions again and compare with what their records say.

    Exit code 1 where a stored score is not that of its prediction. Example: `magbench score runs`.
    """
    from magbench.cli.output import print_json, print_table
    from magbench.registry import Registry
    from magbench.results.rescore import TOLERANCE, cells_at, rescored

    registry = Registry.default()
    rows: list[dict[str, Any]] = []
    for result in rescored(cells_at(path), registry):
        record = result.record
        rows.append(
            {
                "task": f"{record.task.id}@{record.task.version}",
                "method": record.method.name,
                "seed": record.seed,
                **{part.metric: part.value for part in record.overall},
                "difference": result.difference,
                "fresh": list(result.fresh),
            }
        )
    wrong = [row for row in rows if row["difference"] > TOLERANCE]
    if json:
        print_json({"cells": rows, "wrong": len(wrong)})
    else:
        for task in dict.fromkeys(row["task"] for row in rows):
            own = [{key: _shown(value) for key, value in row.items()} for row in rows if row["task"] == task]
            columns = {key: key for row in own for key, value in row.items() if key != "task" and value != ""}
            print_table(own, columns, task)
        worst = max((row["difference"] for row in rows), default=0.0)
        print(f"{len(rows)} cells scored again; the largest difference to a stored score is {worst:.3g}.")
    if wrong:
        raise typer.Exit(1)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(value) if isinstance(value, list) else str(value)
