"""Which rows may not stand alone, the one rule for tables, comparisons and pages.

A method whose towers are *coupled* lets the two sides of a pair see the same neighbours, which identifies the pair even
where features are noise. Its score is shown only where the control with random features was run as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from magbench.results.frame import StoredCell, comparable, newest, read_cells
from magbench.results.items import Cell
from magbench.stats.controls import PLAIN, split_control
from magbench.variants import with_option

if TYPE_CHECKING:
    from magbench.results.record import Record

CellT = TypeVar("CellT", bound=Cell)
Row = tuple[str, str, str, str]
"""Task without its control, feature set, protocol, method."""


class Standing(NamedTuple):
    """What a cell is: of which row which control (or the score itself), coupled or not, finished or not."""

    row: Row
    control: str
    coupled: bool
    ok: bool


def may_not_stand(standings: Iterable[Standing]) -> set[Row]:
    """Rows of coupled methods that have a score and no finished control with random features."""
    found: dict[Row, set[str]] = {}
    for standing in standings:
        if standing.ok and standing.coupled:
            found.setdefault(standing.row, set()).add(standing.control)
    return {row for row, controls in found.items() if PLAIN in controls and "random" not in controls}


def standing_of(record: Record) -> Standing:
    """What the cell of a record is."""
    task, control = split_control(f"{record.task.id}@{record.task.version}")
    row = (task, record.dataset.features, record.protocol, record.method.name)
    return Standing(row, control, record.method.towers == "coupled", record.status == "ok")


def controls_beside(cells: Sequence[StoredCell], runs: Path) -> list[StoredCell]:
    """Finished random-feature controls below ``runs`` of those ``cells`` that are not shown without them."""
    withheld = may_not_stand(standing_of(cell.record) for cell in cells)
    stored = newest(read_cells(runs)) if withheld else []
    return [cell for cell in stored if _is_control(standing_of(cell.record), withheld)]


def _is_control(found: Standing, rows: set[Row]) -> bool:
    return found.ok and found.control == "random" and found.row in rows


def fit_to_show(cells: Sequence[CellT]) -> tuple[list[CellT], list[str]]:
    """The cells without those that may not stand alone, and for each such row a sentence that says what to run.

    Failed cells stay; so do a coupled method's controls, which claim nothing. Cells that are not
    :func:`~magbench.results.frame.comparable` with newer ones are left out as well, and controls of another revision of
    the method than its score's.
    """
    fresh, stale = comparable(cells)
    fresh, others = of_one_revision(fresh)
    withheld = may_not_stand(standing_of(cell.record) for cell in fresh)
    kept = []
    for cell in fresh:
        found = standing_of(cell.record)
        if found.row not in withheld or found.control != PLAIN or not found.ok:
            kept.append(cell)
    return kept, [*stale, *others, *dict.fromkeys(reason(task, method) for task, _, _, method in sorted(withheld))]


def of_one_revision(cells: Sequence[CellT]) -> tuple[list[CellT], list[str]]:
    """The cells without controls of another revision than their score, and a sentence for each row that lost some."""
    scores = [cell.record for cell in cells if cell.record.status == "ok" and standing_of(cell.record).control == PLAIN]
    made_by = {standing_of(record).row: record.method.revisions for record in scores}
    kept, rows = [], set()
    for cell in cells:
        found, revisions = standing_of(cell.record), cell.record.method.revisions
        if found.ok and found.control != PLAIN and made_by.get(found.row, revisions) != revisions:
            rows.add(found.row)
        else:
            kept.append(cell)
    return kept, [
        f"The controls of {method} on {task} are not shown: another revision of the method made them than its score."
        f" Run `magbench run -t '{task.rpartition('@')[0]}' -m '{method}' --controls` again."
        for task, _, _, method in sorted(rows)
    ]


def reason(task: str, method: str) -> str:
    """Why a row is not shown, and what to run."""
    control = with_option(task.rpartition("@")[0], "control=random")
    return (
        f"{method} on {task} is not shown: its sides are coupled, and its control with random features is not among "
        f"these results. Run `magbench run -t '{control}' -m '{method}'` into the same folder."
    )
