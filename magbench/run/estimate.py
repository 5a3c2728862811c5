"""What cells may cost, from cells like them that have run before. A cell keeps to one core: these are core-seconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from magbench.method_string import parse_method
from magbench.results.frame import read_cells
from magbench.results.keep import kept_records
from magbench.results.record import Record
from magbench.run.plan import Cell

Seconds = dict[tuple[str, str], list[float]]
"""(versioned task, method) → seconds of each cell."""


@dataclass(frozen=True)
class Estimate:
    """Seconds a cell may take; not ``exact`` where they were taken by cells that are only alike."""

    seconds: float
    exact: bool


def estimates(cells: Sequence[Cell]) -> dict[tuple[str, str], Estimate]:
    """(task, method) → what a cell may take, for those of which something is known.

    The median over cells of the same task and method in the runs folder, else in the kept results. Else, not exact,
    over cells that are alike: same task and components (other options), same components on other tasks of the family,
    same task and host with as many regularisers; the first of these that has any.
    """
    out = Path(cells[0].out) if cells else Path()
    stored = [cell.record for cell in read_cells(out)] if out.is_dir() else []
    here, kept = _seconds(stored), _seconds(kept_records())
    alike: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for (task, method), values in [*here.items(), *kept.items()]:
        for kind in _kinds(task, method):
            alike[kind] += values
    found = {}
    for task, method in {(cell.task, cell.method) for cell in cells}:
        if exact := here.get((task, method)) or kept.get((task, method)):
            found[task, method] = Estimate(median(exact), True)
        elif similar := next((alike[kind] for kind in _kinds(task, method) if kind in alike), None):
            found[task, method] = Estimate(median(similar), False)
    return found


def spent_seconds(cells: Iterable[Cell]) -> float:
    """Core-seconds that the stored ones among ``cells`` took from their start to their end, failures included."""
    return sum(record.core_seconds for cell in cells if (record := cell.record()) is not None)


def _seconds(records: Iterable[Record]) -> Seconds:
    seconds: Seconds = defaultdict(list)
    for record in records:
        if record.cost.fit_s is not None:
            key = (f"{record.task.id}@{record.task.version}", record.method.name)
            seconds[key].append(record.cost.fit_s + (record.cost.predict_s or 0))
    return dict(seconds)


def _kinds(task: str, method: str) -> list[tuple[str, ...]]:
    """What a cell may be alike in, the closest first."""
    names = [part.name for part in parse_method(method).parts]
    return [(task, *names), (task.partition("/")[0], *names), (task, names[0], str(len(names)))]
