"""Retrieval's controls from stored cells: the table of scores beside controls, and which rows may not stand alone.

A method whose towers are *coupled* lets the two sides of a pair see the same neighbours, which identifies the pair even
where features are noise. Its score is shown only where the control with random features was run as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from magbench.metrics import higher_is_better
from magbench.results.frame import StoredCell, comparable, newest, read_cells, scores_frame
from magbench.results.items import Cell, item_scores
from magbench.stats.controls import PLAIN, control_table, split_control
from magbench.variants import with_option

if TYPE_CHECKING:
    import pandas as pd

    from magbench.results.record import Record

CellT = TypeVar("CellT", bound=Cell)
Row = tuple[str, str, str, str]
"""Task without its control, feature set, protocol, method."""


def row_of(record: Record) -> tuple[Row, str]:
    """The row that a cell belongs to, and the control it is."""
    task, control = split_control(f"{record.task.id}@{record.task.version}")
    return (task, record.dataset.features, record.protocol, record.method.name), control


def without_control(records: Iterable[Record]) -> list[Row]:
    """Rows of coupled methods that have a score and no finished control with random features; sorted."""
    found: dict[Row, set[str]] = {}
    for record in records:
        if record.status == "ok" and record.method.towers == "coupled":
            row, control = row_of(record)
            found.setdefault(row, set()).add(control)
    return sorted(row for row, controls in found.items() if "random" not in controls)


def controls_beside(cells: Sequence[StoredCell], runs: Path) -> list[StoredCell]:
    """Finished random-feature controls below ``runs`` of those ``cells`` that are not shown without them."""
    wanted = {(row, "random") for row in without_control(cell.record for cell in cells)}
    stored = newest(read_cells(runs)) if wanted else []
    return [cell for cell in stored if cell.record.status == "ok" and row_of(cell.record) in wanted]


def fit_to_show(cells: Sequence[CellT]) -> tuple[list[CellT], list[str]]:
    """The cells without those that may not stand alone, and for each such row a sentence that says what to run.

    Failed cells stay; so do a coupled method's controls, which claim nothing. Cells that are not
    :func:`~magbench.results.frame.comparable` with newer ones are left out as well.
    """
    fresh, stale = comparable(cells)
    missing = set(without_control(cell.record for cell in fresh))
    kept = []
    for cell in fresh:
        row, control = row_of(cell.record)
        if row not in missing or control != PLAIN or cell.record.status != "ok":
            kept.append(cell)
    return kept, [*stale, *(reason(task, method) for task, _, _, method in sorted(missing))]


def reason(task: str, method: str) -> str:
    """Why a row is not shown, and what to run."""
    control = with_option(task.rpartition("@")[0], "control=random")
    return (
        f"{method} on {task} is not shown: its sides are coupled, and its control with random features is not among "
        f"these results. Run `magbench run -t '{control}' -m '{method}'` into the same folder."
    )


def controls_of(cells: Sequence[Cell], metric: str) -> pd.DataFrame:
    """:func:`magbench.stats.controls.control_table` of the finished retrieval cells, with ``towers`` and ``pool``.

    ``pool`` is the number of candidates of a query. Rows of coupled methods without their control are left out.
    """
    own = [cell for cell in cells if cell.record.task.id.startswith("retrieval/") and cell.record.status == "ok"]
    own, _ = fit_to_show(own)
    frame = scores_frame(cell.record for cell in own)
    items, rng = item_scores(own, metric).frame, np.random.default_rng(0)
    up = higher_is_better(metric)
    table = control_table(frame, metric=metric, items=items, rng=rng, higher_is_better=up)
    towers = {cell.record.method.name: cell.record.method.towers or "" for cell in own}
    pools = {split_control(f"{r.task.id}@{r.task.version}")[0]: r.overall[0].pool for r in (c.record for c in own)}
    return table.assign(towers=table["method"].map(towers), pool=table["task"].map(pools))
