"""Results as tables: the cells of a runs folder, and the long frame that statistics take."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magbench.errors import OptionError, RecordError, UnknownNameError
from magbench.results.predictions import read_prediction
from magbench.results.record import Record, read_record

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class StoredCell:
    """A published cell: its record and the folder that holds its files."""

    record: Record
    folder: Path

    def prediction(self) -> Any:
        """The stored prediction, of the kind its task's family keeps."""
        return read_prediction(self.folder / "predictions.npz")

    def history(self) -> list[dict[str, float]]:
        """One row a validation; empty for a method without epochs."""
        path = self.folder / "history.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def read_cells(runs: Path) -> list[StoredCell]:
    """Every published cell below ``runs``, ordered by task, method and seed.

    Raises:
        RecordError: the folder is missing, or a record in it cannot be read.
    """
    if not runs.is_dir():
        raise RecordError(
            f"No results at {runs}: there is no such folder. Run `magbench run`, or name one with --runs."
        )
    cells = []
    for path in runs.glob("**/record.json"):
        if not any(part.startswith(".") for part in path.relative_to(runs).parts):
            cells.append(StoredCell(read_record(path), path.parent))
    return sorted(
        cells, key=lambda cell: (cell.record.task.id, cell.record.method.name, cell.record.key, cell.record.seed)
    )


def newest(cells: Iterable[StoredCell]) -> list[StoredCell]:
    """For each task, method and protocol the cells of the key that finished last: older code leaves older keys."""
    groups: dict[tuple[str, int, str, str], list[StoredCell]] = defaultdict(list)
    for cell in cells:
        record = cell.record
        groups[record.task.id, record.task.version, record.method.name, record.protocol].append(cell)
    found = []
    for group in groups.values():
        last = max(group, key=lambda cell: cell.record.finished).record.key
        found += [cell for cell in group if cell.record.key == last]
    return sorted(found, key=lambda cell: (cell.record.task.id, cell.record.method.name, cell.record.seed))


def one_protocol(found: Iterable[str], wanted: str | None = None) -> str | None:
    """The protocol to show of those ``found``: the ``wanted`` one, else the only one; ``None`` when there is none.

    Raises:
        UnknownNameError: the wanted one is not there.
        OptionError: there are several and none is wanted.
    """
    known = sorted(set(found))
    if wanted is not None and wanted not in known:
        raise UnknownNameError("protocol of these results", wanted, known)
    if wanted is None and len(known) > 1:
        raise OptionError(f"These results follow {len(known)} protocols: choose --protocol {' or '.join(known)}.")
    return wanted or next(iter(known), None)


def scores_frame(records: Iterable[Record]) -> pd.DataFrame:
    """Long table: task, dataset, method, seed, metric, split, value, n; cells that are not ``ok`` have no row."""
    import pandas as pd

    columns = ["task", "dataset", "method", "seed", "metric", "split", "value", "n"]
    rows = [
        (f"{r.task.id}@{r.task.version}", r.dataset.id, r.method.name, r.seed, s.metric, s.split, s.value, s.n)
        for r in records
        if r.status == "ok"
        for s in r.scores
    ]
    return pd.DataFrame(rows, columns=columns)
