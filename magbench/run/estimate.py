"""What cells may cost, from cells like them that have run before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from magbench.results.frame import read_cells
from magbench.results.keep import kept_records
from magbench.run.plan import Cell


def known_seconds(cells: Sequence[Cell]) -> dict[tuple[str, str], float]:
    """(task, method) → median seconds of a cell, from the runs folder and from the kept results."""
    wanted = {(cell.task, cell.method) for cell in cells}
    out = Path(cells[0].out)
    records = [cell.record for cell in read_cells(out)] if out.is_dir() else []
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record in [*kept_records(), *records]:
        key = (f"{record.task.id}@{record.task.version}", record.method.name)
        if key in wanted and record.cost.fit_s is not None:
            seconds[key].append(record.cost.fit_s + (record.cost.predict_s or 0))
    return {key: median(values) for key, values in seconds.items()}
