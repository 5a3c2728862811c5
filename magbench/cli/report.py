"""``magbench report``: the page of a runs folder, of the kept results, or of both."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from magbench.cli.arguments import Kept, Runs


def report(
    runs: Runs = None,
    kept: Kept = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the page; default: RUNS/report, or report.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Protocol id, where the folder holds several.")] = None,
    studies: Annotated[bool, typer.Option("--studies", help="Only the page of the kept studies.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a self-contained HTML page: table, per-seed points, learning curves, a sample of nodes.

    Where the checkout keeps studies, their page is written beside it and linked.

    Examples: `magbench report --runs runs`, `magbench report --kept --out leaderboard-page`,
    `magbench report --studies --out page`.
    """
    from magbench.board.collect import write_run_report, write_studies_page
    from magbench.cli.output import check_output, print_json
    from magbench.results.controls import of_one_revision
    from magbench.results.frame import comparable, one_protocol
    from magbench.results.kept import cells_of
    from magbench.run.cell import cannot_write

    board = kept and runs is None
    folder = out or (Path("report") if studies or board else (runs or Path("runs")) / "report")
    check_output(folder / "index.html", "--out")
    if studies:
        page = write_studies_page(folder, empty=True)
        print_json({"report": str(page)}) if json else print(f"Report: {page}")
        return
    cells, left = comparable(cells_of(runs, kept=kept))
    cells, apart = of_one_revision(cells)
    left += apart
    chosen = one_protocol((cell.record.protocol for cell in cells), protocol)
    beside = write_studies_page(folder)
    try:
        page = write_run_report(
            [cell for cell in cells if cell.record.protocol == chosen],
            folder,
            title="magbench leaderboard" if board else "magbench report",
            studies=beside is not None,
        )
    except OSError as error:
        raise cannot_write(folder, error) from error
    if json:
        print_json({"report": str(page), "left_out": left})
        return
    for sentence in left:
        print(sentence, file=sys.stderr)
    print(f"Report: {page}")
