"""``magbench report``: the page of a runs folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[Path, typer.Option(help="Folder of results.")] = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="Folder of the page; default: RUNS/report.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a self-contained HTML page: table, per-seed points, learning curves, a sample of nodes.

    Example: `magbench report --runs runs`.
    """
    from magbench.board.collect import write_run_report
    from magbench.cli.output import print_json
    from magbench.results.frame import newest, read_cells

    page = write_run_report(newest(read_cells(runs)), out or runs / "report")
    if json:
        print_json({"report": str(page)})
    else:
        print(f"Report: {page}")
